-- Verbs of the dispatcher: the only SQL that its C code runs. Each is one short transaction. The dispatcher needs
-- no token; what it says about a run counts only while that run still holds its step.

CREATE FUNCTION vibe._is_home()
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity = vibe._home_identity());
END
$$;
COMMENT ON FUNCTION vibe._is_home() IS 'Whether this server is noted as the home of the data: what may start runs, or judge those of a dispatcher.';

CREATE FUNCTION vibe._is_draining()
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.home h WHERE h.draining_since IS NOT NULL);
END
$$;
COMMENT ON FUNCTION vibe._is_draining() IS 'Whether drain() keeps everything from being claimed.';

-- Tables written: runs. A model is its provider's: the stand-in does not know the one that the step asks for.
CREATE FUNCTION vibe._take_fallback_model(run vibe.runs, runners text[], fallback_models text[])
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    fallback_model text;
BEGIN
    SELECT f.model INTO fallback_model
      FROM vibe.current_agents a JOIN unnest(runners, fallback_models) f(runner, model) ON f.runner = a.runner
     WHERE a.name = run.agent_name AND a.runner <> run.runner;
    IF fallback_model IS NOT NULL THEN
        UPDATE vibe.runs r SET model = fallback_model WHERE r.id = run.id RETURNING r.* INTO STRICT run;
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._take_fallback_model(vibe.runs, text[], text[]) IS 'The run, with the model that its agent''s runner names for a stand-in where one stands in.';

-- Between two steps of one task on a quiet server there is nothing to choose from, and the next agent waits. It is
-- not looked for again, past the dead entries before it; what became ready since wakes the dispatcher.
-- Tables written: none; locks the work row (SKIP LOCKED).
CREATE FUNCTION vibe._take_the_only_one(task_id bigint, branch text, runners text[], free_slots integer[], providers text[])
    RETURNS vibe._taken[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT (w, r.name, r.provider, coalesce(c.run_budget_usd,
                CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END))::vibe._taken
          FROM vibe.work w
          JOIN vibe.current_agents a ON a.name = w.agent_name
          JOIN unnest(runners, providers, free_slots) r(name, provider, free) ON r.name = a.runner
          LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
         WHERE w.task_id = _take_the_only_one.task_id AND w.branch = _take_the_only_one.branch
           AND w.state = 'ready' AND a.paused_at IS NULL AND r.free > 0 AND (w.campaign_id = 0 OR c.status IN ('active', 'in_revision'))
           AND NOT EXISTS (SELECT 1 FROM vibe.runs l WHERE l.task_id = w.task_id AND l.branch = w.branch AND num_nonnulls(l.ended_at) = 0)
           FOR UPDATE OF w SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION vibe._take_the_only_one(bigint, text, text[], integer[], text[]) IS 'Where this step is the only one that is ready and nothing has a limit: that step, locked, or none if it may not be claimed.';

-- Tables written: work, runs, providers, chores, deliveries; at a ceiling budget_crossings, activities. Locks: the limits that are in
-- play (tried, never waited for), the taken work rows or chore (SKIP LOCKED), no task row; verbs that hold a task row wait for
-- the work row a moment and then see the new run.
CREATE FUNCTION vibe._claim_runs(
    runners text[], free_slots integer[], max_runs integer, providers text[] DEFAULT NULL, fallbacks text[] DEFAULT NULL,
    fallback_models text[] DEFAULT NULL
)
    RETURNS TABLE (run_id bigint, runner text, run jsonb, more boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    outlook record;
    able vibe._able_agent[];
    ceilings vibe._ceiling[] := ARRAY[]::vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    taken vibe._taken[];
    has_fallback_models boolean := array_remove(fallback_models, NULL) <> '{}';
    opened record;
BEGIN
    SELECT o.*, r.* INTO outlook
      FROM vibe._claim_outlook(at) o,
           (SELECT count(*) AS ready, min(w.task_id) AS task_id, min(w.branch) AS branch
              FROM (SELECT w.task_id, w.branch FROM vibe.work w WHERE w.state = 'ready' LIMIT 2) w) r;
    -- Whoever claims must know that this is the data's home, also in the middle of a restore.
    IF outlook.is_draining OR NOT outlook.is_home THEN
        RETURN;
    END IF;
    IF outlook.has_chores THEN
        RETURN QUERY SELECT c.run_id, c.runner, c.run, true FROM vibe._claim_chore(runners, free_slots, providers, fallbacks, fallback_models, at) c;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    more := false;
    IF outlook.ready = 0 THEN
        RETURN;
    ELSIF outlook.ready = 1 AND NOT outlook.has_limits THEN
        taken := vibe._take_the_only_one(outlook.task_id, outlook.branch, runners, free_slots, providers);
    ELSE
        IF outlook.has_limits THEN
            able := vibe._able_agents(runners, free_slots, providers, fallbacks, NULL, max_runs, at);
            ceilings := vibe._ceilings_in_play(at);
        ELSE
            able := vibe._unlimited_agents(runners, free_slots, providers, NULL, max_runs);
        END IF;
        chosen := vibe._choose(able, ceilings, max_runs, 0);
        within := chosen;
        IF outlook.has_limits THEN
            PERFORM vibe._note_crossings(ceilings, runners, providers, at);
            within := vibe._within_limits(chosen, at);
        END IF;
        more := cardinality(within) < cardinality(chosen);
        taken := vibe._take(within, max_runs);
    END IF;
    IF taken = '{}' THEN
        RETURN;
    END IF;
    IF outlook.has_limits THEN
        UPDATE vibe.providers p SET probed_at = at
         WHERE p.name IN (SELECT x.provider FROM unnest(taken) x) AND p.paused_until <= at AND p.probed_at IS NULL;
    END IF;
    FOR opened IN SELECT * FROM vibe._open_runs(taken, at) LOOP
        run_id := (opened.run).id;
        runner := (opened.run).runner;
        -- Most runner files name none.
        IF has_fallback_models THEN
            opened.run := vibe._take_fallback_model(opened.run, runners, fallback_models);
        END IF;
        run := vibe._launch(opened.run, opened.token);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._claim_runs(text[], integer[], integer, text[], text[], text[]) IS 'Takes up to max_runs ready steps, at most free_slots[i] for runners[i], whose provider, whose stand-in while that is paused and the model of which are providers[i], fallbacks[i] and fallback_models[i]. After the commit these runs are launching. A chore that is due goes first, and alone. more: another call may find others.';

CREATE FUNCTION vibe._unclaim_paused(run_ids bigint[])
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    given_up bigint[];
BEGIN
    -- A run whose task was deleted is not there any more.
    given_up := ARRAY(SELECT i FROM unnest(run_ids) i
                        LEFT JOIN vibe.runs r ON r.id = i
                        LEFT JOIN vibe.campaigns c ON c.id = r.campaign_id
                        LEFT JOIN vibe.current_agents a ON a.name = r.agent_name
                        LEFT JOIN vibe.providers p ON p.name = r.provider
                       WHERE r.id IS NULL OR r.closed_at IS NOT NULL OR c.status NOT IN ('active', 'in_revision')
                          OR a.paused_at IS NOT NULL OR p.paused_until > at OR vibe._is_draining());
    IF given_up = '{}' THEN
        RETURN;
    END IF;
    PERFORM vibe._lock_runs(given_up);
    PERFORM vibe._unclaim_chores(given_up);
    PERFORM vibe._put_back(given_up, 'it was paused before the start', at);
    UPDATE vibe.runs r SET ended_at = at WHERE r.id = ANY (given_up) AND r.ended_at IS NULL;
    RETURN QUERY SELECT unnest(given_up);
END
$$;
COMMENT ON FUNCTION vibe._unclaim_paused(bigint[]) IS 'Of runs that were claimed but not started: those that may not start any more. They are put back or stay closed, and have ended.';

CREATE FUNCTION vibe._mark_started(run_ids bigint[], pids integer[], pid_starts bigint[], boot_id text, pid_ns text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    marked bigint;
BEGIN
    UPDATE vibe.runs r
       SET started_at = at, pid = p.pid, pid_start = p.pid_start,
           boot_id = _mark_started.boot_id, pid_ns = _mark_started.pid_ns
      FROM unnest(run_ids, pids, pid_starts) p(run_id, pid, pid_start)
     WHERE r.id = p.run_id AND num_nonnulls(r.ended_at) = 0;
    GET DIAGNOSTICS marked = ROW_COUNT;
    -- Here and not at the claim, which an agent waits for.
    PERFORM vibe._mark_live_runs(max(i)) FROM unnest(run_ids) i;
    RETURN marked;
END
$$;
COMMENT ON FUNCTION vibe._mark_started(bigint[], integer[], bigint[], text, text) IS 'Records the supervisor processes of runs that were started; now and then also which runs are live.';

CREATE FUNCTION vibe._live_runs(only_closed boolean)
    RETURNS TABLE (run_id bigint, closed boolean, outcome text, pid integer, pid_start bigint, boot_id text, pid_ns text,
                   runner text, task_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT r.id, r.closed_at IS NOT NULL, r.outcome, r.pid, r.pid_start, r.boot_id, r.pid_ns, r.runner, r.task_id, r.branch
      FROM vibe.runs r
     WHERE NOT only_closed AND r.ended_at IS NULL AND r.started_by = 'dispatcher' AND vibe._is_home()
    UNION ALL
    SELECT r.id, true, r.outcome, r.pid, r.pid_start, r.boot_id, r.pid_ns, r.runner, r.task_id, r.branch
      FROM vibe.runs r
     WHERE only_closed AND r.ended_at IS NULL AND r.closed_at IS NOT NULL;
END;
COMMENT ON FUNCTION vibe._live_runs(boolean) IS 'Dispatched runs whose process has no recorded end: all of them (none in a copy, where they are not ours to judge), or those that are closed already.';

CREATE FUNCTION vibe._promote_due()
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    promoted bigint;
BEGIN
    WITH due AS (
        SELECT w.task_id, w.branch FROM vibe.work w
         WHERE w.waiting_for = 'back_off' AND w.ready_at <= at
         ORDER BY w.ready_at LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE vibe.work w SET state = 'ready', waiting_for = NULL, ready_at = NULL, since = at
      FROM due d WHERE w.task_id = d.task_id AND w.branch = d.branch;
    GET DIAGNOSTICS promoted = ROW_COUNT;
    RETURN promoted;
END
$$;
COMMENT ON FUNCTION vibe._promote_due() IS 'Makes steps ready whose back-off is over, 1000 at most.';

CREATE FUNCTION vibe._next_due()
    RETURNS timestamptz
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A chore or message that is due and was not taken waits for a slot, a limit, or a runner: not for a time.
    RETURN least((SELECT w.ready_at FROM vibe.work w WHERE w.waiting_for = 'back_off' ORDER BY w.ready_at LIMIT 1),
                 (SELECT min(vibe._provider_opens_at(p, vibe.clock())) FROM vibe.providers p),
                 (SELECT (x.day + 1)::timestamp AT TIME ZONE 'UTC' FROM vibe.budget_crossings x
                   WHERE x.name LIKE E'daily\\_budget %' AND x.day = vibe._day(vibe.clock()) LIMIT 1),
                 (SELECT min(c.ready_at) FROM vibe.chores c WHERE c.run_id IS NULL AND c.ready_at > vibe.clock()),
                 (SELECT d.next_attempt_at FROM vibe.deliveries d
                   WHERE d.state = 'pending' AND d.next_attempt_at > vibe.clock() ORDER BY d.next_attempt_at LIMIT 1));
END
$$;
COMMENT ON FUNCTION vibe._next_due() IS 'When the next back-off, pause of a provider, or probe of one is over, or the day whose ceiling was reached, or the next chore or message is due.';

CREATE FUNCTION vibe._publish_path(task vibe.tasks, run vibe.runs)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT p.root_path || '/projects/' || p.slug || '/campaigns/' || coalesce(c.slug, 'none') || '/' || s.output_dir || '/'
               || vibe._output_slug(task, run.branch) || '.md'
          FROM vibe.projects p
          LEFT JOIN vibe.campaigns c ON c.id = task.campaign_id
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step
         WHERE p.id = task.project_id);
END
$$;
COMMENT ON FUNCTION vibe._publish_path(vibe.tasks, vibe.runs) IS 'Where the output file of a run is published; NULL without a root_path or an output_dir.';

CREATE FUNCTION vibe._known_record(record jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(record) = 'object' AND EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = record ->> 'outcome') THEN
        RETURN record;
    END IF;
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record names no outcome');
END
$$;
COMMENT ON FUNCTION vibe._known_record(jsonb) IS 'An exit record; one that names no outcome counts as bad_result.';

CREATE FUNCTION vibe._read_record(record text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN vibe._known_record(record::jsonb);
EXCEPTION WHEN data_exception OR statement_too_complex OR program_limit_exceeded THEN
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record cannot be read: ' || left(SQLERRM, 200));
END
$$;
COMMENT ON FUNCTION vibe._read_record(text) IS 'An exit record as JSON; one that cannot be read counts as bad_result.';

CREATE FUNCTION vibe._result_of(record jsonb)
    RETURNS jsonb
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(record -> 'result') = 'object' THEN record -> 'result' ELSE '{}' END;
END;
COMMENT ON FUNCTION vibe._result_of(jsonb) IS 'The result that an exit record brings; an empty object where it brings none.';

CREATE FUNCTION vibe._may_be_staged(record jsonb)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT record -> 'staged' IS DISTINCT FROM 'false';
END;
COMMENT ON FUNCTION vibe._may_be_staged(jsonb) IS 'Whether a run may have left an output file to be published: false only if its exit record says so.';

-- What a result says that is done, as complete_step() would be told it.
CREATE FUNCTION vibe._completion_of(nth bigint, run_id bigint, record jsonb)
    RETURNS vibe._completion
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (nth, run_id, nullif(vibe._result_of(record) -> 'output', 'null'), (vibe._result_of(record) ->> 'score')::numeric,
            vibe._result_of(record) ->> 'output_path', vibe._result_of(record) ->> 'summary', record)::vibe._completion;
END;
COMMENT ON FUNCTION vibe._completion_of(bigint, bigint, jsonb) IS 'The result that an exit record brings, as a completion of its run.';

-- What a result does to the task. Whatever it breaks is the caller's to catch.
CREATE FUNCTION vibe._accept(task vibe.tasks, run vibe.runs, record jsonb, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := record ->> 'outcome';
    result jsonb := vibe._result_of(record);
BEGIN
    IF outcome = 'done' THEN
        PERFORM vibe._complete(task, run, nullif(result -> 'output', 'null'), (result ->> 'score')::numeric,
            result ->> 'output_path', result ->> 'summary', record, at);
        IF run.provider IS NOT NULL THEN
            PERFORM vibe._providers_work(ARRAY[run.id]);
        END IF;
    ELSIF outcome = 'revise' THEN
        PERFORM vibe._revise(task, run,
            vibe._revision_target(task, vibe._revision_limit(task, run, run.branch), (result ->> 'target_step')::integer),
            coalesce(nullif(btrim(result ->> 'notes'), ''), nullif(btrim(result ->> 'summary'), ''), 'no notes were given'),
            false, result ->> 'summary', (result ->> 'score')::numeric, record, at);
    END IF;
    RETURN outcome IN ('done', 'revise');
END
$$;
COMMENT ON FUNCTION vibe._accept(vibe.tasks, vibe.runs, jsonb, timestamptz) IS 'Closes an open run that brings a result, and moves its task on or back; false if it brings none.';

-- A run without a result: what its outcome does to its task.
CREATE FUNCTION vibe._reject(task vibe.tasks, run vibe.runs, record jsonb, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := record ->> 'outcome';
    error text := record ->> 'error';
    retry_after interval;
BEGIN
    IF vibe._amount(record -> 'retry_after_s') IS NOT NULL THEN
        retry_after := make_interval(secs => least(vibe._amount(record -> 'retry_after_s'), 30 * 86400)::double precision);
    END IF;
    IF vibe._is_the_providers(run, outcome, record) THEN
        PERFORM vibe._pause_after(run, outcome, coalesce(vibe._reset_time(record, at), at + retry_after), error, at);
        PERFORM vibe._free_work(ARRAY[run.id], at);
    ELSE
        PERFORM vibe._retreat(task, run, outcome, error, coalesce(record -> 'permanent' = 'true', false), retry_after, at);
    END IF;
    PERFORM vibe._close_run(run.id, outcome, error, at);
    RETURN outcome;
END
$$;
COMMENT ON FUNCTION vibe._reject(vibe.tasks, vibe.runs, jsonb, timestamptz) IS 'Closes an open run by an exit record without a result; its step retries, waits or goes back to ready.';

-- Tables written: runs, work, tasks, campaigns, activities. Locks, in order: the task row, at its end the campaign;
-- for a chore's run see _finish_chore(). A record that cannot be read, and a result that breaks a rule (a score of 900, a
-- step that is not there), are undone as a whole and count as bad_result; a lock that could not be had or a full disk is
-- not the record's fault.
CREATE FUNCTION vibe._finish_run(run_id bigint, record text)
    RETURNS TABLE (accepted boolean, publish_path text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    parsed jsonb;
    task vibe.tasks;
    mine record;
    run vibe.runs;
    has_result boolean := false;
BEGIN
    SELECT t.* INTO task FROM vibe.tasks t
     WHERE t.id = (SELECT r.task_id FROM vibe.runs r WHERE r.id = _finish_run.run_id) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- A chore's, or its task was deleted: then there is nothing to record, and nothing to publish.
        RETURN QUERY SELECT CASE WHEN EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = _finish_run.run_id AND r.task_id IS NULL)
            THEN vibe._finish_chore(_finish_run.run_id, vibe._read_record(_finish_run.record), at) ELSE false END, NULL::text;
        RETURN;
    END IF;
    -- A statement of its own: it sees what was written before the lock was had.
    SELECT r AS run, EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id) AS holds
      INTO STRICT mine FROM vibe.runs r WHERE r.id = _finish_run.run_id;
    run := mine.run;
    BEGIN
        parsed := vibe._known_record(_finish_run.record::jsonb);
        IF run.closed_at IS NULL AND mine.holds THEN
            has_result := vibe._accept(task, run, parsed, at);
        END IF;
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure
        OR insufficient_resources OR operator_intervention OR system_error THEN
        RAISE;
    WHEN OTHERS THEN
        parsed := coalesce(parsed, '{}') || jsonb_build_object('outcome', 'bad_result', 'error',
            CASE WHEN parsed IS NULL THEN 'the exit record cannot be read: ' || left(SQLERRM, 200)
                 ELSE format('its result was refused: %s (%s)', left(SQLERRM, 500), SQLSTATE) END);
    END;
    IF has_result THEN
        PERFORM vibe._wake(true);
        RETURN QUERY SELECT true, CASE WHEN vibe._may_be_staged(parsed) THEN vibe._publish_path(task, run) END;
        RETURN;
    ELSIF run.closed_at IS NULL AND mine.holds THEN
        PERFORM vibe._reject(task, run, parsed, at);
    ELSIF run.closed_at IS NULL THEN
        PERFORM vibe._close_run(run.id, 'lost', 'it did not hold its step any more', at);
    END IF;
    IF run.ended_at IS NULL THEN
        SELECT * INTO STRICT run FROM vibe._end_runs(ARRAY[(run.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, parsed)::vibe._run_end], at);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT run.outcome IN ('done', 'revise'),
        CASE WHEN vibe._may_be_staged(parsed) AND (run.outcome = 'revise' OR (run.outcome = 'done' AND NOT run.superseded))
             THEN vibe._publish_path(task, run) END;
END
$$;
COMMENT ON FUNCTION vibe._finish_run(bigint, text) IS 'The end of a dispatched run''s process, told by its exit record. Decides the run if its token has not done so; else only exit, usage, cost and tails are filled in. Repeating it changes nothing. publish_path is where a staged output file belongs.';

-- Most ends are these, and the next agent waits for them: few statements find and write what is to be done.
-- Tables written: runs, work, tasks, providers. Locks: the tasks, ids ascending; where other ends follow in the
-- transaction the caller has them, and those of chores, before (_lock_runs).
CREATE FUNCTION vibe._finish_plain_runs(run_ids bigint[], records text[])
    RETURNS TABLE (run_id bigint, publish_path text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    items vibe._completion[] := ARRAY(
        SELECT vibe._completion_of(p.nth, p.run_id, p.record)
          FROM (SELECT u.nth, u.run_id, u.record::jsonb AS record
                  FROM unnest(run_ids, records) WITH ORDINALITY u(run_id, record, nth) OFFSET 0) p
         WHERE jsonb_typeof(p.record) = 'object' AND p.record ->> 'outcome' = 'done');
    moves vibe._plain_move[];
BEGIN
    IF items = '{}' THEN
        RETURN;
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id = ANY (ARRAY(SELECT r.task_id FROM vibe.runs r WHERE r.id = ANY (run_ids))) ORDER BY t.id FOR NO KEY UPDATE;
    moves := vibe._move_plainly(items, at);
    IF moves = '{}' THEN
        RETURN;
    END IF;
    PERFORM vibe._providers_work(ARRAY(SELECT m.run_id FROM unnest(moves) m))
       FROM (SELECT FROM vibe.providers p WHERE p.paused_until IS NOT NULL LIMIT 1) paused;
    PERFORM vibe._wake(true);
    RETURN QUERY
        SELECT m.run_id, CASE WHEN vibe._may_be_staged(i.record) THEN (
                   SELECT vibe._publish_path(t, r) FROM vibe.runs r JOIN vibe.tasks t ON t.id = r.task_id WHERE r.id = m.run_id) END
          FROM unnest(moves) m JOIN unnest(items) i ON i.nth = m.nth;
END
$$;
COMMENT ON FUNCTION vibe._finish_plain_runs(bigint[], text[]) IS 'Of dispatched runs whose processes have ended, finishes those set-wise that are done and after which just the next step is ready, and returns them; the others are _finish_run()''s. Any error is a reason to finish all of them one by one.';

-- Locks: the chores, then the tasks, ids ascending. For several ends in one transaction: a task's end also takes the
-- campaign's lock, and whoever holds that must not wait for a task. Chores go first, since an agent's verb holds its
-- heartbeat when it comes to a task.
CREATE FUNCTION vibe._lock_runs(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM vibe.chores c WHERE c.run_id = ANY (run_ids) ORDER BY c.name FOR UPDATE;
    RETURN cardinality(ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id IN (SELECT r.task_id FROM vibe.runs r WHERE r.id = ANY (run_ids))
        ORDER BY t.id FOR NO KEY UPDATE));
END
$$;
COMMENT ON FUNCTION vibe._lock_runs(bigint[]) IS 'Locks the chores and tasks of runs that are about to be finished together; returns how many tasks.';

-- A home is noted by the first activation, so that a dump carries it and its copy knows. A dispatcher must not note
-- it: it may see a database while that is being restored.
CREATE FUNCTION vibe._note_home()
    RETURNS text
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    INSERT INTO vibe.home (identity, since)
    SELECT vibe._home_identity(), vibe.clock()
     WHERE NOT EXISTS (SELECT 1 FROM vibe.home)
    ON CONFLICT ON CONSTRAINT home_pkey DO NOTHING
    RETURNING identity;
END;
COMMENT ON FUNCTION vibe._note_home() IS 'Makes this server the home of the data, if it has none yet.';

CREATE FUNCTION vibe._attach_dispatcher()
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity <> vibe._home_identity()) THEN 'foreign' ELSE 'home' END;
END
$$;
COMMENT ON FUNCTION vibe._attach_dispatcher() IS 'foreign if this data has its home elsewhere, else home.';

CREATE FUNCTION vibe.take_over()
    RETURNS TABLE (identity text, runs_lost bigint)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    lost bigint := 0;
    here text := vibe._home_identity();
BEGIN
    PERFORM vibe._note_home();
    -- One take-over at a time; nobody else writes this row.
    PERFORM 1 FROM vibe.home h WHERE h.identity <> here FOR UPDATE;
    IF FOUND THEN
        lost := vibe._lose_dispatched_runs('the database lives on another server now', false, at);
        PERFORM vibe._drop_deliveries('the database lives on another server now: its former home may have sent it');
        UPDATE vibe.home h SET identity = here, since = at, draining_since = NULL;
        PERFORM vibe._record('taken_over', 'This server took the data over.', jsonb_build_object('runs_lost', lost), NULL, NULL);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT here, lost;
END
$$;
COMMENT ON FUNCTION vibe.take_over() IS 'Makes this server the home of a copied database: runs of the former home are lost and their steps ready again, without using up attempts, and its dispatcher starts agents. Notifications that were still to be sent are dropped: the former home may have sent them. Call it only when the former home starts none any more. Raises VB022.';

-- Tables written: work, runs, chores, deliveries, activities. Locks, in order: the chores; the tasks, ids ascending;
-- their work; their runs.
CREATE FUNCTION vibe._lose_dispatched_runs(reason text, skip_busy boolean, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted bigint[] := ARRAY(SELECT DISTINCT r.task_id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
    chores bigint[] := vibe._lock_chores(skip_busy);
    locked bigint[];
    live bigint[];
BEGIN
    IF skip_busy THEN
        locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (wanted) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    ELSE
        locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (wanted) ORDER BY t.id FOR NO KEY UPDATE);
    END IF;
    live := ARRAY(SELECT r.id FROM vibe.runs r
                   WHERE (r.task_id = ANY (locked) OR r.id = ANY (chores)) AND r.ended_at IS NULL AND r.started_by = 'dispatcher' ORDER BY r.id);
    PERFORM vibe._free_work(live, at);
    UPDATE vibe.runs r
       SET outcome = coalesce(r.outcome, 'lost'), error = coalesce(r.error, CASE WHEN r.outcome IS NULL THEN reason END),
           closed_at = coalesce(r.closed_at, at), ended_at = at
     WHERE r.id = ANY (live);
    PERFORM vibe._end_chore(r, NULL, false, at) FROM vibe.runs r WHERE r.id = ANY (live) AND r.task_id IS NULL;
    RETURN cardinality(live);
END
$$;
COMMENT ON FUNCTION vibe._lose_dispatched_runs(text, boolean, timestamptz) IS 'Closes every run of a dispatcher that is gone for good, as lost, and makes their steps ready. skip_busy leaves tasks and chores that somebody has locked for the next time, so that a sweep never waits with locks of its own.';
