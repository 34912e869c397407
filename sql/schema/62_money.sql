-- Verbs about money: prices, and ceilings of campaigns, tasks, runs and days.

CREATE TYPE vibe.price_info AS (
    model text, valid_from timestamptz, input_usd numeric, output_usd numeric, cache_read_usd numeric, cache_write_usd numeric);
COMMENT ON TYPE vibe.price_info IS 'What a million tokens of a model cost in US dollars from a time on, as functions return it.';

CREATE TYPE vibe.budget_info AS (
    period text, scope text, key text, amount_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe.budget_info IS 'A ceiling of the day or of a run, as functions return it; spent and reserved are those of today (UTC), NULL for a run.';

CREATE TYPE vibe.campaign_budget_info AS (
    campaign_id bigint, budget_usd numeric, task_budget_usd numeric, run_budget_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe.campaign_budget_info IS 'The ceilings of a campaign, and what its runs that have ended count and those that go on have reserved.';

CREATE FUNCTION vibe.list_prices()
    RETURNS SETOF vibe.price_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.model, p.valid_from, p.input_usd, p.output_usd, p.cache_read_usd, p.cache_write_usd
      FROM vibe.prices p ORDER BY p.model, p.valid_from;
END;
COMMENT ON FUNCTION vibe.list_prices() IS 'The price list, earlier prices included.';

CREATE FUNCTION vibe._check_amount(argument text, amount_usd numeric, from_zero boolean)
    RETURNS numeric
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (amount_usd > 0 OR (from_zero AND amount_usd = 0)) OR NOT (amount_usd < 1e12) THEN
        PERFORM vibe._invalid_argument(argument, amount_usd::text,
            format('Use an amount in US dollars %s 0 and below 1000000000000.', CASE WHEN from_zero THEN 'from' ELSE 'above' END));
    END IF;
    RETURN amount_usd;
END
$$;
COMMENT ON FUNCTION vibe._check_amount(text, numeric, boolean) IS 'Raises VB030 for what is no amount of money; NULL passes.';

CREATE FUNCTION vibe.set_price(
    model text, input_usd numeric, output_usd numeric, cache_read_usd numeric DEFAULT NULL, cache_write_usd numeric DEFAULT NULL,
    valid_from timestamptz DEFAULT NULL
)
    RETURNS SETOF vibe.price_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    since timestamptz := coalesce(set_price.valid_from, at);
    wrong record;
BEGIN
    IF (set_price.model ~ E'^[^\x01-\x1f]{1,200}$') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('model', set_price.model, 'Use the name that steps, agents or the agent''s own report give the model.');
    ELSIF NOT isfinite(since) THEN
        PERFORM vibe._invalid_argument('valid_from', since::text, 'Use a time, or NULL for now.');
    END IF;
    SELECT a.* INTO wrong
      FROM (VALUES ('input_usd', coalesce(set_price.input_usd, -1)), ('output_usd', coalesce(set_price.output_usd, -1)),
                   ('cache_read_usd', set_price.cache_read_usd), ('cache_write_usd', set_price.cache_write_usd)) a(argument, given)
     WHERE NOT (a.given BETWEEN 0 AND 1e6) LIMIT 1;
    IF FOUND THEN
        PERFORM vibe._invalid_argument(wrong.argument, nullif(wrong.given, -1)::text, 'Use US dollars per million tokens, 0 to 1000000.');
    END IF;
    RETURN QUERY
        INSERT INTO vibe.prices AS p (model, valid_from, input_usd, output_usd, cache_read_usd, cache_write_usd)
        VALUES (set_price.model, since, set_price.input_usd, set_price.output_usd,
            coalesce(set_price.cache_read_usd, set_price.input_usd), coalesce(set_price.cache_write_usd, set_price.input_usd))
        ON CONFLICT ON CONSTRAINT prices_pkey DO UPDATE
           SET input_usd = excluded.input_usd, output_usd = excluded.output_usd,
               cache_read_usd = excluded.cache_read_usd, cache_write_usd = excluded.cache_write_usd
        RETURNING p.model, p.valid_from, p.input_usd, p.output_usd, p.cache_read_usd, p.cache_write_usd;
END
$$;
COMMENT ON FUNCTION vibe.set_price(text, numeric, numeric, numeric, numeric, timestamptz) IS 'What a million tokens of a model cost in US dollars, for runs claimed from valid_from (default: now) on; cached tokens cost as read ones where nothing else is said. The cost of a run that reports tokens and no cost is computed with it at the run''s end; what has ended does not change. Raises VB022, VB030.';

CREATE FUNCTION vibe.set_budget(campaign_id bigint, usd numeric, per text DEFAULT 'campaign')
    RETURNS SETOF vibe.campaign_budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
BEGIN
    PERFORM vibe._check_amount('usd', set_budget.usd, false);
    IF (set_budget.per IN ('campaign', 'task', 'run')) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('per', set_budget.per, 'Use campaign, task or run.');
    END IF;
    campaign := vibe._lock_campaign(set_budget.campaign_id);
    UPDATE vibe.campaigns c
       SET budget_usd = CASE set_budget.per WHEN 'campaign' THEN set_budget.usd ELSE c.budget_usd END,
           task_budget_usd = CASE set_budget.per WHEN 'task' THEN set_budget.usd ELSE c.task_budget_usd END,
           run_budget_usd = CASE set_budget.per WHEN 'run' THEN set_budget.usd ELSE c.run_budget_usd END,
           updated_at = at
     WHERE c.id = campaign.id;
    DELETE FROM vibe.budget_crossings x
     WHERE CASE set_budget.per WHEN 'task' THEN x.name IN (SELECT 'task_budget ' || t.id FROM vibe.tasks t WHERE t.campaign_id = campaign.id)
                ELSE x.name = 'campaign_budget ' || campaign.id END;
    PERFORM vibe._record('budget_set', format('The ceiling per %s of campaign "%s" was set to %s.', set_budget.per, campaign.name,
            coalesce(set_budget.usd || ' USD', 'none')),
        jsonb_build_object('per', set_budget.per, 'usd', set_budget.usd), campaign.project_id, campaign.id);
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT b.* FROM vibe._campaign_budget(campaign.id) b;
END
$$;
COMMENT ON FUNCTION vibe.set_budget(bigint, numeric, text) IS 'Sets a ceiling of a campaign, in US dollars: per campaign (all its runs), per task (the runs of one task), or per run (what one run may cost and reserves); NULL removes that one, the others stay. Below what is spent it starts nothing more; what runs goes on. Locks the campaign row. Raises VB002, VB022, VB030.';

CREATE FUNCTION vibe._forget_crossings(campaign_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM vibe.budget_crossings x
     WHERE x.name = 'campaign_budget ' || _forget_crossings.campaign_id
        OR x.name IN (SELECT 'task_budget ' || t.id FROM vibe.tasks t WHERE t.campaign_id = _forget_crossings.campaign_id);
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._forget_crossings(bigint) IS 'Ceilings of a campaign were changed: reaching one is told again.';

CREATE FUNCTION vibe._campaign_budget(campaign_id bigint)
    RETURNS SETOF vibe.campaign_budget_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT c.id, c.budget_usd, c.task_budget_usd, c.run_budget_usd,
               trim_scale((SELECT coalesce(sum(t.counted_usd), 0) FROM vibe.usage_totals t WHERE t.campaign_id = c.id)
                   + (SELECT coalesce(sum(e.counted_usd), 0) FROM vibe.usage_entries e WHERE e.campaign_id = c.id)),
               (SELECT coalesce(sum(r.reserved_usd), 0) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.campaign_id = c.id)
          FROM vibe.campaigns c WHERE c.id = _campaign_budget.campaign_id;
END
$$;
COMMENT ON FUNCTION vibe._campaign_budget(bigint) IS 'The ceilings of a campaign and what counts against them.';

CREATE FUNCTION vibe._over_budget(of_campaign bigint, of_task bigint)
    RETURNS TABLE (task_id bigint, branch text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT w.task_id, w.branch
          FROM vibe.work w
         WHERE w.waiting_for = 'person' AND (w.campaign_id = of_campaign OR w.task_id = of_task)
           AND 'budget' = (SELECT r.outcome FROM vibe.runs r
                            WHERE r.task_id = w.task_id AND r.branch = w.branch AND r.step = w.step AND r.closed_at IS NOT NULL
                            ORDER BY r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._over_budget(bigint, bigint) IS 'Steps of a campaign or a task that wait for a person because their last run ended for its budget.';

-- Tables written: work, tasks. The tasks are locked by the caller.
CREATE FUNCTION vibe._retry_over_budget(task_ids bigint[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    retried bigint;
BEGIN
    WITH ready AS (
        UPDATE vibe.work w
           SET state = 'ready', waiting_for = NULL, ready_at = NULL, attempts = 0, retries = 0, since = at
          FROM unnest(task_ids) i CROSS JOIN LATERAL vibe._over_budget(NULL, i) o
         WHERE w.task_id = o.task_id AND w.branch = o.branch AND w.waiting_for = 'person'
        RETURNING w.task_id, w.branch
    ), unblocked AS (
        UPDATE vibe.tasks t
           SET status = CASE WHEN t.rejection_notes IS NULL THEN vibe._earned_status(t) ELSE 'revision_needed' END, updated_at = at
          FROM ready r
         WHERE t.id = r.task_id AND r.branch = '' AND t.status = 'blocked'
    )
    SELECT count(*) INTO retried FROM ready;
    RETURN retried;
END
$$;
COMMENT ON FUNCTION vibe._retry_over_budget(bigint[], timestamptz) IS 'Makes those steps of these tasks ready again whose last run ended for its budget; returns how many.';

CREATE FUNCTION vibe._no_ceiling(whose text, hint text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB020',
        MESSAGE = 'there is no ceiling to add to',
        DETAIL = format('%s has none.', whose),
        HINT = hint;
END
$$;
COMMENT ON FUNCTION vibe._no_ceiling(text, text) IS 'Raises VB020.';

-- Tables written: campaigns, tasks, work, budget_crossings, activities. Locks, in order: the task, or those tasks of
-- the campaign that go on, ids ascending; their work; the campaign row.
CREATE FUNCTION vibe.approve_budget(campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, usd numeric DEFAULT NULL)
    RETURNS TABLE (ceiling_usd numeric, spent_usd numeric, reserved_usd numeric, steps_ready bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    locked bigint[];
    campaign vibe.campaigns;
    ceiling text := CASE WHEN approve_budget.task_id IS NULL THEN 'campaign_budget ' || approve_budget.campaign_id ELSE 'task_budget ' || approve_budget.task_id END;
BEGIN
    IF num_nonnulls(approve_budget.campaign_id, approve_budget.task_id) <> 1 THEN
        PERFORM vibe._invalid_argument('campaign_id', approve_budget.campaign_id::text, 'Name a campaign or a task, one of the two.');
    ELSIF vibe._check_amount('usd', approve_budget.usd, false) IS NULL THEN
        PERFORM vibe._invalid_argument('usd', NULL, 'Use an amount in US dollars above 0.');
    END IF;
    IF approve_budget.task_id IS NOT NULL THEN
        PERFORM vibe._lock_task(approve_budget.task_id);
        locked := ARRAY[approve_budget.task_id];
        campaign := vibe._raise_task_ceiling(approve_budget.task_id, approve_budget.usd, at);
        steps_ready := vibe._retry_over_budget(locked, at);
    ELSE
        locked := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.id IN (SELECT o.task_id FROM vibe._over_budget(approve_budget.campaign_id, NULL) o) ORDER BY t.id FOR NO KEY UPDATE);
        steps_ready := vibe._retry_over_budget(locked, at);
        campaign := vibe._raise_campaign_ceiling(approve_budget.campaign_id, approve_budget.usd, at);
    END IF;
    DELETE FROM vibe.budget_crossings x WHERE x.name = ceiling;
    SELECT c.amount_usd, c.spent_usd, c.reserved_usd INTO ceiling_usd, spent_usd, reserved_usd FROM vibe._ceilings(ARRAY[ceiling], at) c;
    PERFORM vibe._record('budget_approved', format('%s USD were added to the ceiling %s, which is %s USD now.', approve_budget.usd,
            vibe._ceiling_words(ceiling), ceiling_usd),
        jsonb_build_object('ceiling', ceiling, 'usd', approve_budget.usd, 'ceiling_usd', ceiling_usd, 'spent_usd', spent_usd, 'steps_ready', steps_ready),
        campaign.project_id, campaign.id, approve_budget.task_id);
    PERFORM vibe._wake(true);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.approve_budget(bigint, bigint, numeric) IS 'Adds so many US dollars to the ceiling of a campaign or of a task, and makes their steps ready again whose last run ended for its budget; who did it is in the feed. Locks those task rows, then the campaign row. Raises VB002, VB003, VB020 (it has no ceiling), VB022, VB030.';

-- Tables written: tasks. The task is locked by the caller.
CREATE FUNCTION vibe._raise_task_ceiling(task_id bigint, usd numeric, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
BEGIN
    SELECT c.* INTO campaign FROM vibe.tasks t JOIN vibe.campaigns c ON c.id = t.campaign_id WHERE t.id = _raise_task_ceiling.task_id;
    IF campaign.task_budget_usd IS NULL THEN
        PERFORM vibe._no_ceiling(format('Task %s', _raise_task_ceiling.task_id),
            format('SELECT * FROM vibe.set_budget(campaign_id => %s, usd => …, per => ''task''); or SELECT * FROM vibe.retry_step(task_id => %s);',
                coalesce(campaign.id::text, '…'), _raise_task_ceiling.task_id));
    END IF;
    UPDATE vibe.tasks t SET approved_usd = t.approved_usd + usd, updated_at = at WHERE t.id = _raise_task_ceiling.task_id;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._raise_task_ceiling(bigint, numeric, timestamptz) IS 'Adds to the ceiling of a task; returns its campaign. Raises VB020.';

-- Tables written: campaigns. Locks the campaign row.
CREATE FUNCTION vibe._raise_campaign_ceiling(campaign_id bigint, usd numeric, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns := vibe._lock_campaign(_raise_campaign_ceiling.campaign_id);
BEGIN
    IF campaign.budget_usd IS NULL THEN
        PERFORM vibe._no_ceiling(format('Campaign "%s"', campaign.name), format('SELECT * FROM vibe.set_budget(campaign_id => %s, usd => …);', campaign.id));
    END IF;
    UPDATE vibe.campaigns c SET budget_usd = c.budget_usd + usd, updated_at = at WHERE c.id = campaign.id;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._raise_campaign_ceiling(bigint, numeric, timestamptz) IS 'Adds to the ceiling of a campaign; returns it. Raises VB002, VB020.';

CREATE FUNCTION vibe.list_budgets()
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT b.period, b.scope, b.key, b.amount_usd, c.spent_usd, c.reserved_usd
          FROM vibe.budgets b
          LEFT JOIN vibe._daily_ceilings((SELECT k.now FROM vibe.clock() k(now))) c
            ON b.period = 'day' AND c.name = concat_ws(' ', 'daily_budget', b.scope, nullif(b.key, ''))
         ORDER BY b.period, b.scope, b.key;
END
$$;
COMMENT ON FUNCTION vibe.list_budgets() IS 'Ceilings of the day with what was spent and is reserved today (UTC), and what a run may cost where its campaign does not say.';

-- Tables written: budgets, budget_crossings, activities.
CREATE FUNCTION vibe._put_budget(period text, scope text, key text, usd numeric)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._check_amount('usd', usd, false);
    IF usd IS NULL THEN
        DELETE FROM vibe.budgets b WHERE b.period = _put_budget.period AND b.scope = _put_budget.scope AND b.key = _put_budget.key;
    ELSE
        INSERT INTO vibe.budgets (period, scope, key, amount_usd)
        VALUES (_put_budget.period, _put_budget.scope, _put_budget.key, usd)
        ON CONFLICT ON CONSTRAINT budgets_pkey DO UPDATE SET amount_usd = excluded.amount_usd;
    END IF;
    DELETE FROM vibe.budget_crossings x
     WHERE _put_budget.period = 'day' AND x.name = concat_ws(' ', 'daily_budget', _put_budget.scope, nullif(_put_budget.key, ''));
    PERFORM vibe._wake(true);
    RETURN vibe._record('budget_set', format('The ceiling per %s for %s was set to %s.', period, concat_ws(' ', scope, nullif(key, '')),
            coalesce(usd || ' USD', 'none')),
        jsonb_build_object('per', period, 'scope', scope, 'key', key, 'usd', usd), CASE scope WHEN 'project' THEN key::bigint END, NULL, NULL);
END
$$;
COMMENT ON FUNCTION vibe._put_budget(text, text, text, numeric) IS 'Sets, changes or (NULL) removes a row of vibe.budgets. Raises VB030.';

CREATE FUNCTION vibe.set_daily_budget(usd numeric, project_id bigint DEFAULT NULL, agent_name text DEFAULT NULL, provider text DEFAULT NULL)
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    scope text := CASE WHEN project_id IS NOT NULL THEN 'project' WHEN agent_name IS NOT NULL THEN 'agent' WHEN provider IS NOT NULL THEN 'provider' ELSE 'database' END;
    key text := coalesce(project_id::text, agent_name, provider, '');
BEGIN
    PERFORM vibe._begin_verb();
    IF num_nonnulls(set_daily_budget.project_id, set_daily_budget.agent_name, set_daily_budget.provider) > 1 THEN
        PERFORM vibe._invalid_argument('project_id', set_daily_budget.project_id::text, 'Name a project, an agent or a provider, or none of them for the whole database.');
    ELSIF set_daily_budget.project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.projects p WHERE p.id = set_daily_budget.project_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB001',
            MESSAGE = 'project not found',
            DETAIL = format('There is no project with id %s.', set_daily_budget.project_id),
            HINT = 'SELECT * FROM vibe.projects lists them.';
    ELSIF set_daily_budget.agent_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = set_daily_budget.agent_name) THEN
        PERFORM vibe._agent_not_found(set_daily_budget.agent_name);
    ELSIF set_daily_budget.provider IS NOT NULL THEN
        PERFORM vibe._check_provider(set_daily_budget.provider);
    END IF;
    PERFORM vibe._put_budget('day', scope, key, set_daily_budget.usd);
    RETURN QUERY SELECT l.* FROM vibe.list_budgets() l WHERE l.period = 'day';
END
$$;
COMMENT ON FUNCTION vibe.set_daily_budget(numeric, bigint, text, text) IS 'Ceiling in US dollars of what all runs claimed on one day (UTC) may cost together: in the database, or of one project, agent or provider; NULL removes it. Returns the ceilings of the day. What runs already goes on. Raises VB001, VB004, VB022, VB030.';

CREATE FUNCTION vibe.set_run_budget(usd numeric, agent_name text DEFAULT NULL)
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF set_run_budget.agent_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = set_run_budget.agent_name) THEN
        PERFORM vibe._agent_not_found(set_run_budget.agent_name);
    END IF;
    PERFORM vibe._put_budget('run', CASE WHEN set_run_budget.agent_name IS NULL THEN 'database' ELSE 'agent' END,
        coalesce(set_run_budget.agent_name, ''), set_run_budget.usd);
    RETURN QUERY SELECT l.* FROM vibe.list_budgets() l WHERE l.period = 'run';
END
$$;
COMMENT ON FUNCTION vibe.set_run_budget(numeric, text) IS 'What one run of an agent, or (without one) of any agent, may cost in US dollars and reserves before it starts, where its campaign does not say; NULL removes it. Returns all of them. Raises VB004, VB022, VB030.';
