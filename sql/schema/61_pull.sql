-- The pull API: workers elsewhere take and finish work set-wise, under the same limits, locks and tokens as the
-- dispatcher. Their runs have leases, as those held by hand. They LISTEN for vibe_dispatch and never wait inside a
-- transaction.
--
-- The dispatcher's session never scans a whole table; a worker's would, if it planned while a table was empty, and goes
-- on with that plan. So the verbs of workers say the same; jit, which the planner's price for what it may not do would
-- call in, is off.

-- Tables written: work, runs; at a ceiling budget_crossings, activities. Locks: the limits that are in play (tried),
-- the taken work rows (SKIP LOCKED).
CREATE FUNCTION vibe.claim_runs(agent_names text[], max_runs integer DEFAULT 1)
    RETURNS TABLE (run_id bigint, lock_token text, task_id bigint, branch text, step integer, agent_name text, input jsonb)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    unknown text;
    able vibe._able_agent[];
    outlook record;
    ceilings vibe._ceiling[] := ARRAY[]::vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    taken vibe._taken[];
    opened record;
    spare integer;
BEGIN
    IF coalesce(cardinality(claim_runs.agent_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('agent_names', claim_runs.agent_names::text, 'Name at least one agent.');
    ELSIF (claim_runs.max_runs BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_runs', claim_runs.max_runs::text, 'Use 1 to 1000.');
    END IF;
    FOR unknown IN SELECT n FROM unnest(claim_runs.agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n) LOOP
        PERFORM vibe._agent_not_found(unknown);
    END LOOP;
    SELECT * INTO outlook FROM vibe._claim_outlook(at);
    IF outlook.is_draining THEN
        RETURN;
    END IF;
    IF outlook.has_limits THEN
        able := vibe._able_agents('{}', '{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs, at);
        ceilings := vibe._ceilings_in_play(at);
    ELSE
        able := vibe._unlimited_agents('{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs);
    END IF;
    -- Others claim at the same moment: whoever comes second takes what follows, and looks further the more of it is
    -- locked. Not at once, as the limits of what is only looked at are held, too.
    FOREACH spare IN ARRAY '{0,8,64,512}'::integer[] LOOP
        chosen := vibe._choose(able, ceilings, claim_runs.max_runs, spare);
        within := CASE WHEN outlook.has_limits THEN vibe._within_limits(chosen, at) ELSE chosen END;
        taken := vibe._take(within, claim_runs.max_runs);
        EXIT WHEN cardinality(taken) >= least(claim_runs.max_runs, cardinality(within));
    END LOOP;
    IF outlook.has_limits THEN
        PERFORM vibe._note_crossings(ceilings, '{}', '{}', at);
        -- The dispatcher may have left work out because this transaction was counting its limit.
        PERFORM vibe._wake(false) WHERE vibe._limits_of(chosen) <> '{}';
    END IF;
    IF taken = '{}' THEN
        RETURN;
    END IF;
    FOR opened IN SELECT o.*, (o.run).* FROM vibe._open_runs(taken, at) o LOOP
        run_id := opened.id;
        lock_token := opened.token;
        task_id := opened.task_id;
        branch := opened.branch;
        step := opened.step;
        agent_name := opened.agent_name;
        input := vibe._launch(opened.run, NULL) - 'token';
        RETURN NEXT;
    END LOOP;
    PERFORM vibe._mark_live_runs(run_id);
END
$$;
COMMENT ON FUNCTION vibe.claim_runs(text[], integer) IS 'Takes up to max_runs (1 to 1000) ready steps of these agents, in the dispatcher''s order and within every limit and spending ceiling of campaigns and agents. Each row is a run of the caller''s: lock_token fences its writes and is shown once, its lease is to be renewed (renew_lock), input is what get_run_input() tells. No row: nothing to do now, or drain() is on. Locks the work rows. Raises VB004 (agent), VB022, VB030.';

-- Tables written: as complete_step(). Locks, in order: all the tasks, ids ascending; at a task's end its campaign.
CREATE FUNCTION vibe.complete_steps(results jsonb)
    RETURNS TABLE (task_id bigint, branch text, completed boolean, next_step integer, next_agent text, task_status text,
                   task_completed boolean, error_code text, error text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    moves vibe._plain_move[];
    result record;
BEGIN
    IF (jsonb_typeof(complete_steps.results) = 'array' AND jsonb_array_length(complete_steps.results) <= 10000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('results', left(complete_steps.results::text, 100),
            'Use an array of at most 10000 objects with the arguments of complete_step().');
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id IN (SELECT r.task_id FROM vibe._results(complete_steps.results) r) ORDER BY t.id FOR NO KEY UPDATE;
    moves := vibe._complete_plain_results(complete_steps.results, at);
    FOR result IN
        SELECT r.*, m.run_id AS moved_run, m.next_step, m.next_agent, m.task_status
          FROM vibe._results(complete_steps.results) r LEFT JOIN unnest(moves) m ON m.nth = r.nth
         ORDER BY r.task_id, r.nth
    LOOP
        task_id := result.task_id;
        branch := result.branch;
        IF result.moved_run IS NOT NULL THEN
            completed := true;
            next_step := result.next_step;
            next_agent := result.next_agent;
            task_status := result.task_status;
            task_completed := false;
            error_code := NULL;
            error := NULL;
        ELSE
            SELECT * INTO completed, next_step, next_agent, task_status, task_completed, error_code, error
              FROM vibe._try_complete(result.task_id, result.agent_name, result.lock_token, result.output, result.quality_score,
                                      result.output_path, result.branch, result.summary);
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM vibe._wake(true) WHERE moves <> '{}';
END
$$;
COMMENT ON FUNCTION vibe.complete_steps(jsonb) IS 'complete_step() for many: results is an array of {"task_id", "agent_name", "lock_token", "output", "quality_score", "output_path", "branch", "summary"}. One that is refused spoils no other: its row has completed = false and the SQLSTATE and message that complete_step() would have raised. Locks the task rows, at a task''s end also its campaign row. Raises VB022, VB030 (not an array of such objects).';

-- Tables written: runs, work, tasks. The tasks are locked by the caller. What is refused as a whole (a status of the
-- user's own that may not follow) is left to be done one by one, where each gets its own answer.
CREATE FUNCTION vibe._complete_plain_results(results jsonb, at timestamptz)
    RETURNS vibe._plain_move[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    items vibe._completion[] := ARRAY(
        SELECT DISTINCT ON (x.id) (r.nth, x.id, r.output, r.quality_score, r.output_path, r.summary, NULL)::vibe._completion
          FROM vibe._results(results) r
          JOIN vibe.runs x ON x.task_id = r.task_id AND x.token_hash = vibe._token_hash(r.lock_token)
           AND x.agent_name = r.agent_name AND x.branch = r.branch
         ORDER BY x.id, r.nth);
BEGIN
    RETURN vibe._move_plainly(items, at);
EXCEPTION WHEN SQLSTATE 'VB020' OR data_exception OR integrity_constraint_violation THEN
    RETURN ARRAY[]::vibe._plain_move[];
END
$$;
COMMENT ON FUNCTION vibe._complete_plain_results(jsonb, timestamptz) IS 'Of complete_steps()''s results, completes those set-wise whose token is good and after which just the next step is ready; returns what became of them.';

CREATE FUNCTION vibe._try_complete(
    task_id bigint, agent_name text, lock_token text, output jsonb, quality_score numeric, output_path text, branch text, summary text,
    OUT completed boolean, OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean,
    OUT error_code text, OUT error text
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO STRICT completed, next_step, next_agent, task_status, task_completed
      FROM vibe.complete_step(task_id, agent_name, lock_token, output, quality_score, output_path, branch, summary);
EXCEPTION WHEN SQLSTATE 'VB003' OR SQLSTATE 'VB004' OR SQLSTATE 'VB011' OR SQLSTATE 'VB012' OR SQLSTATE 'VB013'
    OR SQLSTATE 'VB020' OR SQLSTATE 'VB030' OR SQLSTATE 'VB060' THEN
    completed := false;
    error_code := SQLSTATE;
    error := SQLERRM;
END
$$;
COMMENT ON FUNCTION vibe._try_complete(bigint, text, text, jsonb, numeric, text, text, text) IS 'complete_step() as a row that says why where it is refused.';

CREATE FUNCTION vibe._results(results jsonb)
    RETURNS TABLE (nth bigint, task_id bigint, agent_name text, lock_token text, output jsonb, quality_score numeric,
                   output_path text, branch text, summary text)
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT e.nth, x.task_id, x.agent_name, x.lock_token, x.output, x.quality_score, x.output_path, coalesce(x.branch, ''), x.summary
          FROM jsonb_array_elements(results) WITH ORDINALITY e(value, nth)
         CROSS JOIN LATERAL jsonb_to_record(e.value) x(task_id bigint, agent_name text, lock_token text, output jsonb,
             quality_score numeric, output_path text, branch text, summary text);
EXCEPTION WHEN data_exception THEN
    PERFORM vibe._invalid_argument('results', left(results::text, 100), format('Each element is an object with the arguments of complete_step(): %s.', SQLERRM));
END
$$;
COMMENT ON FUNCTION vibe._results(jsonb) IS 'The elements of complete_steps()''s argument as rows. Raises VB030.';

-- Tables written: runs. Locks: the task row.
CREATE FUNCTION vibe.report_usage(run_id bigint, lock_token text, usage jsonb)
    RETURNS TABLE (cost_usd numeric, budget_usd numeric, over_budget boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    reported numeric;
    computed numeric;
BEGIN
    PERFORM vibe._begin_verb();
    IF (jsonb_typeof(report_usage.usage) = 'object') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('usage', left(report_usage.usage::text, 100),
            'Use an object of totals so far: "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "model".');
    END IF;
    run := vibe._run_by_token(report_usage.run_id, report_usage.lock_token);
    IF run.started_by = 'hand' THEN
        reported := greatest(CASE WHEN run.cost_source = 'reported' THEN run.cost_usd END, vibe._amount(report_usage.usage -> 'cost_usd'));
        computed := greatest(run.cost_usd, vibe._computed_cost(run.id, report_usage.usage));
        UPDATE vibe.runs r
           SET input_tokens = greatest(r.input_tokens, vibe._count(report_usage.usage -> 'input_tokens')),
               output_tokens = greatest(r.output_tokens, vibe._count(report_usage.usage -> 'output_tokens')),
               cache_read_tokens = greatest(r.cache_read_tokens, vibe._count(report_usage.usage -> 'cache_read_tokens')),
               cache_write_tokens = greatest(r.cache_write_tokens, vibe._count(report_usage.usage -> 'cache_write_tokens')),
               cost_usd = coalesce(reported, computed),
               cost_source = CASE WHEN reported IS NOT NULL THEN 'reported' WHEN computed IS NOT NULL THEN 'computed' END,
               model = coalesce(r.model, left(report_usage.usage ->> 'model', 200))
         WHERE r.id = run.id
        RETURNING r.* INTO run;
    END IF;
    RETURN QUERY SELECT run.cost_usd, run.reserved_usd, coalesce(run.cost_usd > run.reserved_usd, false);
END
$$;
COMMENT ON FUNCTION vibe.report_usage(bigint, text, jsonb) IS 'What a pulled or hand-held run has used so far, in totals that only grow: usage is {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd" in US dollars, "model"}; what is no number from 0 is left out. Without it such a run counts its reserve against ceilings. over_budget asks the caller to end with fail_step(outcome => ''budget''). Of a dispatched run nothing is written: its supervisor tells. Locks the task row. Raises VB006, VB011, VB022, VB030.';
