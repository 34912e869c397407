-- The pull API: workers elsewhere take and finish work set-wise, under the same limits, locks and tokens as the
-- dispatcher. Their runs have leases, as those held by hand. They LISTEN for vibe_dispatch and never wait inside a
-- transaction.

-- Tables written: work, runs; at a ceiling budget_crossings, activities. Locks: the limits that are in play (tried),
-- the taken work rows (SKIP LOCKED).
CREATE FUNCTION vibe.claim_runs(agent_names text[], max_runs integer DEFAULT 1)
    RETURNS TABLE (run_id bigint, lock_token text, task_id bigint, branch text, step integer, agent_name text, input jsonb)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    unknown text;
    able vibe._able_agent[];
    ceilings vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    spare integer;
    item record;
    run vibe.runs;
BEGIN
    IF coalesce(cardinality(claim_runs.agent_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('agent_names', claim_runs.agent_names::text, 'Name at least one agent.');
    ELSIF (claim_runs.max_runs BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_runs', claim_runs.max_runs::text, 'Use 1 to 1000.');
    END IF;
    FOR unknown IN SELECT n FROM unnest(claim_runs.agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n) LOOP
        PERFORM vibe._agent_not_found(unknown);
    END LOOP;
    IF vibe._is_draining() THEN
        RETURN;
    END IF;
    able := vibe._able_agents('{}', '{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs, at);
    ceilings := vibe._ceilings_in_play(at);
    -- Others claim at the same moment: whoever comes second takes what follows, and looks further the more of it is
    -- locked. Not at once, as the limits of what is only looked at are held, too.
    FOREACH spare IN ARRAY '{0,8,64,512}'::integer[] LOOP
        chosen := vibe._choose(able, ceilings, claim_runs.max_runs, spare);
        within := vibe._within_limits(chosen, at);
        EXIT WHEN (SELECT count(*) FROM vibe._take(within, claim_runs.max_runs)) >= least(claim_runs.max_runs, cardinality(within));
    END LOOP;
    PERFORM vibe._note_crossings(ceilings, '{}', '{}', at);
    FOR item IN SELECT * FROM vibe._take(within, claim_runs.max_runs) LOOP
        lock_token := vibe._new_token();
        run := vibe._open_run(item.taken, NULL, NULL, item.reserve_usd, lock_token, at);
        run_id := run.id;
        task_id := run.task_id;
        branch := run.branch;
        step := run.step;
        agent_name := run.agent_name;
        input := vibe._launch(run, NULL) - 'token';
        RETURN NEXT;
    END LOOP;
    -- The dispatcher may have left work out because this transaction was counting its limit.
    IF vibe._limits_of(chosen) <> '{}' THEN
        PERFORM vibe._wake(false);
    END IF;
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
AS $$
#variable_conflict use_column
DECLARE
    result record;
    reply record;
BEGIN
    PERFORM vibe._begin_verb();
    IF (jsonb_typeof(complete_steps.results) = 'array' AND jsonb_array_length(complete_steps.results) <= 10000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('results', left(complete_steps.results::text, 100),
            'Use an array of at most 10000 objects with the arguments of complete_step().');
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id IN (SELECT r.task_id FROM vibe._results(complete_steps.results) r) ORDER BY t.id FOR NO KEY UPDATE;
    FOR result IN SELECT * FROM vibe._results(complete_steps.results) r ORDER BY r.task_id, r.nth LOOP
        task_id := result.task_id;
        branch := result.branch;
        error_code := NULL;
        error := NULL;
        reply := NULL;
        BEGIN
            SELECT * INTO STRICT reply FROM vibe.complete_step(result.task_id, result.agent_name, result.lock_token,
                result.output, result.quality_score, result.output_path, result.branch, result.summary);
        EXCEPTION WHEN SQLSTATE 'VB003' OR SQLSTATE 'VB004' OR SQLSTATE 'VB011' OR SQLSTATE 'VB012' OR SQLSTATE 'VB013'
            OR SQLSTATE 'VB020' OR SQLSTATE 'VB030' OR SQLSTATE 'VB060' THEN
            SELECT false AS completed, NULL::integer AS next_step, NULL::text AS next_agent, NULL::text AS task_status,
                   NULL::boolean AS task_completed INTO reply;
            error_code := SQLSTATE;
            error := SQLERRM;
        END;
        completed := reply.completed;
        next_step := reply.next_step;
        next_agent := reply.next_agent;
        task_status := reply.task_status;
        task_completed := reply.task_completed;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe.complete_steps(jsonb) IS 'complete_step() for many: results is an array of {"task_id", "agent_name", "lock_token", "output", "quality_score", "output_path", "branch", "summary"}. One that is refused spoils no other: its row has completed = false and the SQLSTATE and message that complete_step() would have raised. Locks the task rows, at a task''s end also its campaign row. Raises VB022, VB030 (not an array of such objects).';

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
