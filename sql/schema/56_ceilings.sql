-- Spending ceilings: what each allows, what was spent of it, and what runs that go on have reserved. The claim reads
-- them under their locks as it does other limits (59_claim.sql).
--
-- A ceiling's name is its kind and its key: campaign_budget 7, task_budget 12, daily_budget database, daily_budget
-- project 3, daily_budget agent NAME, daily_budget provider NAME. A run counts on the day of its claim, UTC.

CREATE TYPE vibe._ceiling AS (name text, amount_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe._ceiling IS 'A spending ceiling: its amount, what ended runs count, and what runs that go on have reserved.';

CREATE FUNCTION vibe._campaign_ceilings(campaign_ids bigint[])
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT 'campaign_budget ' || c.id, c.budget_usd,
               trim_scale((SELECT coalesce(sum(t.counted_usd), 0) FROM vibe.usage_totals t WHERE t.campaign_id = c.id)
                   + (SELECT coalesce(sum(e.counted_usd), 0) FROM vibe.usage_entries e WHERE e.campaign_id = c.id)),
               (SELECT coalesce(sum(r.reserved_usd), 0) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.campaign_id = c.id)
          FROM vibe.campaigns c
         WHERE c.id = ANY (campaign_ids) AND c.budget_usd IS NOT NULL;
END
$$;
COMMENT ON FUNCTION vibe._campaign_ceilings(bigint[]) IS 'The ceilings of campaigns that have one.';

CREATE FUNCTION vibe._task_ceilings(task_ids bigint[])
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT 'task_budget ' || t.id, c.task_budget_usd + t.approved_usd, trim_scale(t.folded_usd + used.spent_usd), used.reserved_usd
          FROM vibe.tasks t
          JOIN vibe.campaigns c ON c.id = t.campaign_id
         CROSS JOIN LATERAL (
            SELECT coalesce(sum(vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at)) FILTER (WHERE r.ended_at IS NOT NULL), 0) AS spent_usd,
                   coalesce(sum(r.reserved_usd) FILTER (WHERE r.ended_at IS NULL), 0) AS reserved_usd
              FROM vibe.runs r WHERE r.task_id = t.id) used
         WHERE t.id = ANY (task_ids) AND c.task_budget_usd IS NOT NULL;
END
$$;
COMMENT ON FUNCTION vibe._task_ceilings(bigint[]) IS 'The ceilings of tasks whose campaign gives them one.';

CREATE FUNCTION vibe._daily_ceilings(at timestamptz)
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    today date := vibe._day(at);
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day') THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH used AS MATERIALIZED (
            SELECT t.project_id, t.agent_name, t.provider, t.counted_usd AS spent_usd, 0::numeric AS reserved_usd
              FROM vibe.usage_totals t WHERE t.day = today
             UNION ALL
            SELECT e.project_id, e.agent_name, e.provider, e.counted_usd, 0 FROM vibe.usage_entries e WHERE e.day = today
             UNION ALL
            SELECT (SELECT t.project_id FROM vibe.tasks t WHERE t.id = r.task_id), r.agent_name, r.provider, 0, r.reserved_usd
              FROM vibe.runs r
             WHERE r.ended_at IS NULL AND r.reserved_usd IS NOT NULL AND vibe._day(r.claimed_at) = today
        )
        SELECT concat_ws(' ', 'daily_budget', b.scope, nullif(b.key, '')), b.amount_usd, trim_scale(coalesce(sum(u.spent_usd), 0)), coalesce(sum(u.reserved_usd), 0)
          FROM vibe.budgets b
          LEFT JOIN used u ON b.key = CASE b.scope WHEN 'database' THEN '' WHEN 'project' THEN u.project_id::text
                                                   WHEN 'agent' THEN u.agent_name ELSE u.provider END
         WHERE b.period = 'day'
         GROUP BY b.scope, b.key, b.amount_usd;
END
$$;
COMMENT ON FUNCTION vibe._daily_ceilings(timestamptz) IS 'The ceilings of the day that this time is in.';

CREATE FUNCTION vibe._ceilings(names text[], at timestamptz)
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT c.* FROM vibe._campaign_ceilings(
        ARRAY(SELECT split_part(n, ' ', 2)::bigint FROM unnest(names) n WHERE n LIKE E'campaign\\_budget %')) c;
    RETURN QUERY SELECT c.* FROM vibe._task_ceilings(
        ARRAY(SELECT split_part(n, ' ', 2)::bigint FROM unnest(names) n WHERE n LIKE E'task\\_budget %')) c;
    RETURN QUERY SELECT c.* FROM vibe._daily_ceilings(at) c WHERE c.name = ANY (names);
END
$$;
COMMENT ON FUNCTION vibe._ceilings(text[], timestamptz) IS 'Ceilings by their names.';

-- The claim looks at all of them once, before it chooses. Tasks are looked at when their turn comes.
CREATE FUNCTION vibe._ceilings_in_play(at timestamptz)
    RETURNS vibe._ceiling[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign_ids bigint[] := ARRAY(
        SELECT c.id FROM vibe.campaigns c
         WHERE c.ended_at IS NULL AND c.budget_usd IS NOT NULL AND c.status IN ('active', 'in_revision')
           AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.state = 'ready' AND w.campaign_id = c.id));
BEGIN
    RETURN ARRAY(SELECT c FROM vibe._daily_ceilings(at) c) || ARRAY(
        SELECT c FROM vibe._campaign_ceilings(campaign_ids) c WHERE campaign_ids <> '{}');
END
$$;
COMMENT ON FUNCTION vibe._ceilings_in_play(timestamptz) IS 'The ceilings of the day, and those of campaigns at work that have something ready.';

CREATE FUNCTION vibe._reserve(campaign_usd numeric, otherwise_usd numeric, has_ceiling boolean, budget_usd numeric, task_budget_usd numeric)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(campaign_usd, otherwise_usd,
        CASE WHEN has_ceiling OR budget_usd IS NOT NULL OR task_budget_usd IS NOT NULL THEN least(1.00, budget_usd, task_budget_usd) END);
END;
COMMENT ON FUNCTION vibe._reserve(numeric, numeric, boolean, numeric, numeric) IS 'What a run reserves and may cost: what its campaign says, else its agent or the database; under a ceiling, and where nobody says, 1 USD or the ceiling itself.';

CREATE FUNCTION vibe._run_budget(agent_name text)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (SELECT b.amount_usd FROM vibe.budgets b
             WHERE b.period = 'run' AND (b.scope = 'database' OR (b.scope = 'agent' AND b.key = _run_budget.agent_name))
             ORDER BY b.scope LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._run_budget(text) IS 'What a run of the agent may cost where its campaign does not say; NULL is no limit.';

-- Tables written: none.
CREATE FUNCTION vibe._task_fits(task_id bigint, reserve_usd numeric, ceilings vibe._ceiling[])
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN NOT EXISTS (
        SELECT 1 FROM vibe._task_ceilings(ARRAY[_task_fits.task_id]) c WHERE c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd)
       AND NOT EXISTS (
        SELECT 1 FROM unnest(ceilings) c
         WHERE c.name = (SELECT 'daily_budget project ' || t.project_id FROM vibe.tasks t WHERE t.id = _task_fits.task_id)
           AND c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd);
END
$$;
COMMENT ON FUNCTION vibe._task_fits(bigint, numeric, vibe._ceiling[]) IS 'Whether the ceilings that a claim finds out about only with the task, its own and its project''s, have room for one more run.';

-- Tables written: budget_crossings, activities. Told once per crossing: the row stays until the ceiling is changed.
CREATE FUNCTION vibe._note_crossing(ceiling vibe._ceiling, reserve_usd numeric, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    today date := vibe._day(at);
    scope text := split_part(ceiling.name, ' ', 1);
    key text := split_part(ceiling.name, ' ', 2);
    task vibe.tasks;
BEGIN
    IF ceiling.amount_usd - ceiling.spent_usd >= reserve_usd THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.budget_crossings AS x (name, amount_usd, day, at)
    VALUES (ceiling.name, ceiling.amount_usd, today, _note_crossing.at)
    ON CONFLICT ON CONSTRAINT budget_crossings_pkey DO UPDATE
       SET amount_usd = excluded.amount_usd, day = excluded.day, at = excluded.at
     WHERE x.amount_usd <> excluded.amount_usd OR (scope = 'daily_budget' AND x.day <> excluded.day);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF scope = 'task_budget' THEN
        SELECT * INTO task FROM vibe.tasks t WHERE t.id = key::bigint;
    ELSIF scope = 'campaign_budget' THEN
        SELECT c.project_id, c.id INTO task.project_id, task.campaign_id FROM vibe.campaigns c WHERE c.id = key::bigint;
    ELSIF key = 'project' THEN
        task.project_id := split_part(ceiling.name, ' ', 3)::bigint;
    END IF;
    PERFORM vibe._record('budget_reached', format('The ceiling %s of %s USD is reached: %s USD were spent, and a run reserves %s.',
            vibe._ceiling_words(ceiling.name), ceiling.amount_usd, ceiling.spent_usd, reserve_usd),
        jsonb_build_object('ceiling', ceiling.name, 'ceiling_usd', ceiling.amount_usd, 'spent_usd', ceiling.spent_usd,
            'reserved_usd', ceiling.reserved_usd, 'run_usd', reserve_usd), task.project_id, task.campaign_id, task.id);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._note_crossing(vibe._ceiling, numeric, timestamptz) IS 'Tells of a ceiling that has no room for one more run even when nothing runs, unless that was told before.';

CREATE FUNCTION vibe._ceiling_words(name text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE pg_catalog.split_part(name, ' ', 1)
        WHEN 'campaign_budget' THEN 'of campaign ' || pg_catalog.split_part(name, ' ', 2)
        WHEN 'task_budget' THEN 'of task ' || pg_catalog.split_part(name, ' ', 2)
        ELSE 'of the day'
            || CASE WHEN name = 'daily_budget database' THEN '' ELSE ' for ' || pg_catalog.substr(name, 14) END END;
END;
COMMENT ON FUNCTION vibe._ceiling_words(text) IS 'A ceiling''s name as people read it.';

-- What is ready and would not start even if nothing ran. Only a claim that holds the ceiling's lock tells, so that
-- none waits for another. What is ready is read only when a ceiling has less left than any run reserves.
CREATE FUNCTION vibe._note_crossings(ceilings vibe._ceiling[], runners text[], providers text[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_usd numeric;
    low vibe._ceiling[];
    noted bigint;
BEGIN
    IF ceilings = '{}' THEN
        RETURN 0;
    END IF;
    most_usd := greatest(1.00, (SELECT max(b.amount_usd) FROM vibe.budgets b WHERE b.period = 'run'),
        (SELECT max(c.run_budget_usd) FROM vibe.campaigns c WHERE c.ended_at IS NULL));
    low := ARRAY(SELECT c FROM unnest(ceilings) c
                  WHERE c.amount_usd - c.spent_usd < most_usd
                    AND NOT EXISTS (SELECT 1 FROM vibe.budget_crossings x WHERE x.name = c.name AND x.amount_usd = c.amount_usd
                                       AND (c.name NOT LIKE 'daily%' OR x.day = vibe._day(_note_crossings.at))));
    IF low = '{}' THEN
        RETURN 0;
    END IF;
    WITH blocked AS (
        SELECT c, max(l.reserve_usd) AS reserve_usd
          FROM unnest(low) c
          JOIN vibe._ready_under(ARRAY(SELECT n.name FROM unnest(low) n), runners, providers) l
            ON l.name = c.name AND c.amount_usd - c.spent_usd < l.reserve_usd
         GROUP BY c
    )
    SELECT count(*) FILTER (WHERE CASE WHEN vibe._try_lock_limit((b.c).name)
                                       THEN vibe._note_crossing(b.c, b.reserve_usd, _note_crossings.at) ELSE false END)
      INTO noted FROM blocked b;
    RETURN noted;
END
$$;
COMMENT ON FUNCTION vibe._note_crossings(vibe._ceiling[], text[], text[], timestamptz) IS 'Tells of those ceilings that keep something ready from starting; returns of how many.';

CREATE FUNCTION vibe._ready_under(names text[], runners text[], providers text[])
    RETURNS TABLE (name text, reserve_usd numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH RECURSIVE head AS (
            (SELECT w.campaign_id, w.agent_name, w.task_id FROM vibe.work w
              WHERE w.state = 'ready' ORDER BY w.campaign_id, w.agent_name LIMIT 1)
            UNION ALL
            SELECT following.campaign_id, following.agent_name, following.task_id
              FROM head h
             CROSS JOIN LATERAL (
                SELECT w.campaign_id, w.agent_name, w.task_id FROM vibe.work w
                 WHERE w.state = 'ready' AND (w.campaign_id, w.agent_name) > (h.campaign_id, h.agent_name)
                 ORDER BY w.campaign_id, w.agent_name LIMIT 1) following
        )
        SELECT DISTINCT n.name, vibe._reserve(c.run_budget_usd, vibe._run_budget(h.agent_name), true, c.budget_usd, c.task_budget_usd)
          FROM head h
          JOIN vibe.tasks t ON t.id = h.task_id
          JOIN vibe.current_agents a ON a.name = h.agent_name
          LEFT JOIN vibe.campaigns c ON c.id = h.campaign_id
          LEFT JOIN unnest(runners, providers) u(runner, provider) ON u.runner = a.runner
          JOIN unnest(names) n(name) ON n.name IN ('campaign_budget ' || h.campaign_id, 'daily_budget database',
               'daily_budget project ' || t.project_id, 'daily_budget agent ' || h.agent_name, 'daily_budget provider ' || u.provider)
         WHERE a.paused_at IS NULL AND (h.campaign_id = 0 OR c.status IN ('active', 'in_revision'));
END
$$;
COMMENT ON FUNCTION vibe._ready_under(text[], text[], text[]) IS 'What the runs of ready steps would reserve, by the ceilings that they fall under.';
