-- What a run used, and what it counts against ceilings.

CREATE FUNCTION vibe._computed_cost(run_id bigint, usage jsonb)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    input_tokens numeric := coalesce(vibe._count(usage -> 'input_tokens'), 0);
    output_tokens numeric := coalesce(vibe._count(usage -> 'output_tokens'), 0);
    cache_read_tokens numeric := coalesce(vibe._count(usage -> 'cache_read_tokens'), 0);
    cache_write_tokens numeric := coalesce(vibe._count(usage -> 'cache_write_tokens'), 0);
    price vibe.prices;
BEGIN
    -- No tokens were told: nothing is known, which is not the same as nothing.
    IF input_tokens + output_tokens + cache_read_tokens + cache_write_tokens = 0 THEN
        RETURN NULL;
    END IF;
    SELECT p.* INTO price
      FROM vibe.runs r
      JOIN vibe.prices p ON p.model IN (usage ->> 'model', r.model) AND p.valid_from <= r.claimed_at
     WHERE r.id = _computed_cost.run_id
     ORDER BY p.model = usage ->> 'model' DESC NULLS LAST, p.valid_from DESC LIMIT 1;
    RETURN round((input_tokens * price.input_usd + output_tokens * price.output_usd
        + cache_read_tokens * price.cache_read_usd + cache_write_tokens * price.cache_write_usd) / 1e6, 8);
END
$$;
COMMENT ON FUNCTION vibe._computed_cost(bigint, jsonb) IS 'What the tokens that a record tells of cost by the price list at the time of the claim: by the model that the agent reported, else by the run''s. NULL without tokens or price.';

-- By the names of the counters, as a supervisor has them.
CREATE FUNCTION vibe._price_told(model text, at timestamptz)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object('input_tokens', p.input_usd, 'output_tokens', p.output_usd,
                   'cache_read_tokens', p.cache_read_usd, 'cache_write_tokens', p.cache_write_usd)
          FROM vibe.prices p WHERE p.model = _price_told.model AND p.valid_from <= at
         ORDER BY p.valid_from DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._price_told(text, timestamptz) IS 'The price of a model''s tokens as a run''s supervisor is told it, so that it can keep to the run''s budget; NULL where there is none.';

CREATE FUNCTION vibe._never_ran(outcome text, started_at timestamptz)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT outcome = 'exec_error' OR (outcome = 'cancelled' AND started_at IS NULL);
END;
COMMENT ON FUNCTION vibe._never_ran(text, timestamptz) IS 'Whether a run ended before there was an agent: it cost nothing.';

CREATE FUNCTION vibe._counted(cost_usd numeric, reserved_usd numeric, outcome text, started_at timestamptz)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(cost_usd, CASE WHEN vibe._never_ran(outcome, started_at) THEN 0 ELSE reserved_usd END, 0);
END;
COMMENT ON FUNCTION vibe._counted(numeric, numeric, text, timestamptz) IS 'What a run counts against ceilings: its cost, or its reserve while that is unknown.';

-- Tables written: usage_entries, usage_totals, agent_results. One at a time, and nobody waits: who comes second leaves it
-- to the next. So nobody else has a total locked, in whatever transaction this happens.
CREATE FUNCTION vibe._merge_usage(most integer)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    merged bigint := 0;
BEGIN
    IF NOT vibe._try_lock_limit('usage') THEN
        RETURN 0;
    END IF;
    WITH gone AS (
        DELETE FROM vibe.usage_entries e
         WHERE e.run_id IN (SELECT x.run_id FROM vibe.usage_entries x ORDER BY x.run_id LIMIT most)
        RETURNING e.*
    ), added AS (
        INSERT INTO vibe.usage_totals AS t (campaign_id, project_id, agent_name, provider, model, branch, step, day, runs, unknown_cost_runs,
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd)
        SELECT g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day, count(*), sum(g.unknown_cost_runs),
               sum(g.input_tokens), sum(g.output_tokens), sum(g.cache_read_tokens), sum(g.cache_write_tokens), sum(g.cost_usd), sum(g.counted_usd)
          FROM gone g
         GROUP BY g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day
        ON CONFLICT ON CONSTRAINT usage_totals_pkey DO UPDATE
           SET runs = t.runs + excluded.runs, unknown_cost_runs = t.unknown_cost_runs + excluded.unknown_cost_runs,
               input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
               cache_read_tokens = t.cache_read_tokens + excluded.cache_read_tokens,
               cache_write_tokens = t.cache_write_tokens + excluded.cache_write_tokens,
               cost_usd = coalesce(t.cost_usd + excluded.cost_usd, t.cost_usd, excluded.cost_usd),
               counted_usd = t.counted_usd + excluded.counted_usd
    ), summands AS (
        DELETE FROM vibe.agent_results a WHERE EXISTS (SELECT 1 FROM gone) RETURNING a.agent_name, a.tasks, a.scored_tasks, a.scores
    ), results AS (
        INSERT INTO vibe.agent_results (agent_name, tasks, scored_tasks, scores)
        SELECT a.agent_name, sum(a.tasks), sum(a.scored_tasks), sum(a.scores)
          FROM (SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores FROM summands s
                UNION ALL
                SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
                  FROM gone g
                 CROSS JOIN LATERAL vibe._shares(g.agent_name, g.tasks_done, g.score_before, g.score_after, g.scored_agents) s) a
         GROUP BY a.agent_name
    )
    SELECT count(*) INTO merged FROM gone;
    RETURN merged;
END
$$;
COMMENT ON FUNCTION vibe._merge_usage(integer) IS 'Adds so many entries of ended runs to the totals; returns how many.';

-- Tables written: usage_entries, usage_totals, agent_results, budget_crossings, activities. In the transaction that ends the run,
-- whoever that is; every 256th run takes the entries before it along.
CREATE FUNCTION vibe._count_usage()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    counts boolean := NEW.outcome = 'done' AND NOT NEW.superseded AND NEW.task_id IS NOT NULL;
    given numeric := CASE WHEN counts AND NEW.branch = '' THEN NEW.quality_score END;
BEGIN
    INSERT INTO vibe.usage_entries (run_id, project_id, campaign_id, agent_name, provider, model, branch, step, day, unknown_cost_runs,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd, tasks_done, score_before, score_after, scored_agents)
    SELECT NEW.id, coalesce((SELECT t.project_id FROM vibe.tasks t WHERE t.id = NEW.task_id), 0), NEW.campaign_id, NEW.agent_name,
        coalesce(NEW.provider, ''), coalesce(NEW.model, ''), NEW.branch, NEW.step, vibe._day(NEW.claimed_at),
        (NEW.cost_usd IS NULL AND NOT vibe._never_ran(NEW.outcome, NEW.started_at))::integer,
        coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0), coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
        NEW.cost_usd, vibe._counted(NEW.cost_usd, NEW.reserved_usd, NEW.outcome, NEW.started_at),
        (counts AND NEW.agent_name = ANY (b.agents) IS NOT TRUE)::integer, b.score, coalesce(given, b.score),
        CASE WHEN coalesce(given, b.score) IS DISTINCT FROM b.score THEN b.agents END
      FROM vibe._done_before(CASE WHEN counts THEN NEW.task_id END, NEW.close_event) b;
    IF NEW.reserved_usd IS NOT NULL THEN
        PERFORM vibe._compare_with_reserve(NEW, t) FROM (SELECT NEW.task_id AS id) n LEFT JOIN vibe.tasks t ON t.id = n.id;
    END IF;
    IF NEW.id % 256 = 0 THEN
        PERFORM vibe._merge_usage(1024);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._count_usage() IS 'Counts what a run used and did at its end, once.';

CREATE FUNCTION vibe._compare_with_reserve(run vibe.runs, task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.cost_usd > run.reserved_usd THEN
        PERFORM vibe._record('budget_overrun', format('Run %s of %s cost %s USD; %s were reserved.', run.id,
                coalesce('task "' || left(task.title, 200) || '"', 'agent "' || run.agent_name || '"'), trim_scale(run.cost_usd), run.reserved_usd),
            jsonb_build_object('run_id', run.id, 'cost_usd', trim_scale(run.cost_usd), 'reserved_usd', run.reserved_usd),
            task.project_id, task.campaign_id, task.id);
    END IF;
    IF task.ended_at IS NULL
       AND EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = run.campaign_id AND c.task_budget_usd IS NOT NULL) THEN
        PERFORM vibe._note_crossing(c, run.reserved_usd, vibe.clock()) FROM vibe._task_ceilings(ARRAY[task.id]) c;
    END IF;
    RETURN run.cost_usd > run.reserved_usd;
END
$$;
COMMENT ON FUNCTION vibe._compare_with_reserve(vibe.runs, vibe.tasks) IS 'Tells that a run cost more than it had reserved, and that its task''s ceiling has no room for another one like it; task is NULL for a heartbeat.';

-- UPDATE only: a restore inserts runs that have ended, and their entries and totals beside them.
CREATE TRIGGER usage_is_counted_at_the_end
    AFTER UPDATE OF ended_at ON vibe.runs
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.kind <> 'notify')
    EXECUTE FUNCTION vibe._count_usage();

CREATE FUNCTION vibe._day(at timestamptz)
    RETURNS date
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (at AT TIME ZONE 'UTC')::date;
END;
COMMENT ON FUNCTION vibe._day(timestamptz) IS 'The day that a run claimed at this time counts in: UTC, whatever the session''s time zone.';

-- Tables written: runs, tasks, usage_entries, usage_totals, sweep_state. Locks, in order: the tasks, ids ascending (those
-- that are busy are left for the next time). Runs of open tasks stay: later steps read their results.
--
-- Old runs stand at the lower end of the key. Each time goes on where the last one ended, so that neither those that
-- stay, nor what is left of those that went, is walked through again and again. All old runs of a task go with the first
-- one that is met: its row is written once.
CREATE FUNCTION vibe._fold_and_prune_runs(older_than interval, most integer DEFAULT 1000)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    cutoff timestamptz := vibe._begin_verb() - older_than;
    after bigint := (SELECT s.runs_looked_up_to FROM vibe.sweep_state s);
    part bigint[];
    more boolean;
    old bigint[];
    locked bigint[];
    pruned bigint;
BEGIN
    PERFORM vibe._merge_usage(10000);
    -- Whatever was claimed later did not end before.
    SELECT array_agg(f.id ORDER BY f.id) FILTER (WHERE f.claimed_at < cutoff), count(*) = most AND bool_and(f.claimed_at < cutoff)
      INTO part, more
      FROM (SELECT r.id, r.claimed_at FROM vibe.runs r WHERE r.id > after ORDER BY r.id LIMIT most) f;
    old := ARRAY(SELECT r.id FROM unnest(part) p
                  CROSS JOIN LATERAL (SELECT r.id, r.task_id FROM vibe.runs r WHERE r.id = p AND r.ended_at < cutoff LIMIT 1) r
                   LEFT JOIN LATERAL (SELECT t.ended_at FROM vibe.tasks t WHERE t.id = r.task_id LIMIT 1) t ON true
                  WHERE t.ended_at < cutoff OR r.task_id IS NULL);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
                     WHERE t.id = ANY (ARRAY(SELECT DISTINCT r.task_id FROM vibe.runs r WHERE r.id = ANY (old))) AND t.ended_at < cutoff
                     ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    WITH gone AS (
        DELETE FROM vibe.runs r
         WHERE r.task_id = ANY (locked) AND r.ended_at < cutoff
        RETURNING r.task_id, vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at) AS counted_usd
    ), noted AS (
        UPDATE vibe.tasks t SET folded_usd = t.folded_usd + g.counted_usd
          FROM (SELECT g.task_id, sum(g.counted_usd) AS counted_usd FROM gone g GROUP BY g.task_id) g
         WHERE t.id = g.task_id AND g.counted_usd > 0
    ), gone_chores AS (
        DELETE FROM vibe.runs r WHERE r.id = ANY (old) AND r.task_id IS NULL RETURNING r.id
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM gone_chores) INTO pruned;
    after := CASE WHEN more THEN part[cardinality(part)] ELSE 0 END;
    UPDATE vibe.sweep_state s SET runs_looked_up_to = after WHERE s.runs_looked_up_to <> after;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._fold_and_prune_runs(interval, integer) IS 'Adds entries of ended runs to the totals, looks at the next so many runs that are old, and deletes those of tasks that ended longer ago, with all old runs of these tasks, and those of chores; returns how many were deleted. No sum of usage changes.';
