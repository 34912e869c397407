-- The state machine: what follows a step that was done, failed, or is to be done again. Everything here is
-- called with the task row locked; the verbs of 55_verbs.sql and 60_dispatch.sql are its only callers.

-- Where the main line stops next after a step, passing steps without an agent, and which branches those passed
-- steps open. closed_branches are done or already under way.
CREATE FUNCTION vibe._next_stop(
    version_id bigint, after_step integer, branches_open boolean, wanted jsonb, closed_branches text[],
    OUT next_step integer, OUT next_agent text, OUT waiting_for text, OUT opened text[]
)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here integer := after_step;
    following vibe.pipeline_steps;
    convergence integer := (SELECT v.convergence_step FROM vibe.pipeline_versions v WHERE v.id = version_id);
BEGIN
    opened := '{}';
    LOOP
        opened := opened || ARRAY(
            SELECT s.branch FROM vibe.pipeline_steps s
             WHERE s.pipeline_version_id = version_id AND s.branch <> '' AND s.trigger_after_step = here
               AND vibe._wants(wanted, s.deliverable) AND s.branch <> ALL (closed_branches)
             ORDER BY s.branch);
        SELECT * INTO following FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = version_id AND s.branch = '' AND s.step > here
         ORDER BY s.step LIMIT 1;
        EXIT WHEN NOT FOUND;
        next_step := following.step;
        next_agent := following.agent_name;
        waiting_for := CASE
            WHEN following.step >= convergence AND (branches_open OR opened <> '{}') THEN 'branches'
            WHEN following.agent_name IS NULL AND following.gate = 'human' THEN 'approval' END;
        EXIT WHEN waiting_for IS NOT NULL OR next_agent IS NOT NULL;
        here := following.step;
        next_step := NULL;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._next_stop(bigint, integer, boolean, jsonb, text[]) IS 'The next main step after a given one that needs somebody (next_step NULL: the main line is finished), what it waits for if it cannot start, and the branches that open on the way.';

CREATE FUNCTION vibe._wanted(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(task.deliverables, (SELECT c.deliverables FROM vibe.campaigns c WHERE c.id = task.campaign_id)));
END
$$;
COMMENT ON FUNCTION vibe._wanted(vibe.tasks) IS 'The deliverables wanted of a task: its own list, else its campaign''s.';

-- The status that the task's finished main steps stand for, when what it says now (blocked, revision_needed)
-- is no longer true.
CREATE FUNCTION vibe._earned_status(task vibe.tasks)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce((
            SELECT o.status
              FROM vibe.runs r
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.step = r.step
              JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
             WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded
             ORDER BY r.step DESC LIMIT 1), 'backlog'));
END
$$;
COMMENT ON FUNCTION vibe._earned_status(vibe.tasks) IS 'The status of the last main step that is done, backlog if none is.';

-- Tables written: work, tasks. The task's status comes from the step that was done; NULL leaves it. closed_branch
-- is the one whose end moves the task on: its run may still be open in the table.
CREATE FUNCTION vibe._move_on(
    task vibe.tasks, after_step integer, new_status text, score numeric, at timestamptz, closed_branch text DEFAULT NULL,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stop record;
    under_way text[] := ARRAY(SELECT w.branch FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '');
BEGIN
    SELECT * INTO stop FROM vibe._next_stop(task.pipeline_version_id, after_step, under_way <> '{}', vibe._wanted(task),
        under_way || array_remove(ARRAY[closed_branch], NULL) || ARRAY(SELECT r.branch FROM vibe.runs r WHERE r.task_id = task.id AND r.branch <> ''
                              AND r.outcome = 'done' AND NOT r.superseded));
    INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
    SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
      FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (stop.opened);
    IF stop.next_step IS NULL THEN
        DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    ELSE
        PERFORM vibe._set_main_line(task, stop.next_step, stop.next_agent, stop.waiting_for, NULL, at);
    END IF;
    task_completed := stop.next_step IS NULL AND under_way = '{}' AND stop.opened = '{}';
    task_status := CASE WHEN task_completed THEN 'completed' ELSE coalesce(new_status, task.status) END;
    next_step := stop.next_step;
    next_agent := stop.next_agent;
    UPDATE vibe.tasks t
       SET status = task_status,
           step = CASE WHEN task_completed THEN NULL ELSE coalesce(stop.next_step, t.step) END,
           quality_score = coalesce(score, t.quality_score),
           rejection_notes = CASE WHEN task_status = 'revision_needed' THEN t.rejection_notes END,
           ended_at = CASE WHEN task_completed THEN at END,
           updated_at = at
     WHERE t.id = task.id;
END
$$;
COMMENT ON FUNCTION vibe._move_on(vibe.tasks, integer, text, numeric, timestamptz, text) IS 'Opens what follows a main step: the next step, branches, or the task''s end.';

CREATE FUNCTION vibe._set_main_line(
    task vibe.tasks, step integer, agent_name text, waiting_for text, note text, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    placed bigint;
BEGIN
    INSERT INTO vibe.work AS w (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
    VALUES (task.id, '', coalesce(task.campaign_id, 0), step, agent_name,
            CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for,
            vibe._priority_rank(task.priority), at, note)
    ON CONFLICT ON CONSTRAINT work_pkey DO UPDATE SET
        step = excluded.step, agent_name = excluded.agent_name, state = excluded.state,
        waiting_for = excluded.waiting_for, run_id = NULL, attempts = 0, retries = 0, ready_at = NULL,
        since = excluded.since, note = excluded.note
    RETURNING w.task_id INTO placed;
    RETURN placed;
END
$$;
COMMENT ON FUNCTION vibe._set_main_line(vibe.tasks, integer, text, text, text, timestamptz) IS 'Puts the main line of a task at a step, ready or waiting, with fresh counts.';

-- Tables written: work, tasks. What follows a run that was done; the run itself is closed by the caller.
CREATE FUNCTION vibe._advance(
    task vibe.tasks, run vibe.runs, score numeric, at timestamptz,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    done_step vibe.pipeline_steps;
    new_status text;
BEGIN
    SELECT * INTO STRICT done_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    IF done_step.gate = 'human' THEN
        UPDATE vibe.work w SET state = 'waiting', waiting_for = 'approval', run_id = NULL, attempts = 0, retries = 0, since = at
         WHERE w.task_id = task.id AND w.branch = run.branch;
    END IF;
    IF run.branch = '' THEN
        new_status := coalesce(
            (SELECT o.status FROM vibe.output_statuses o WHERE o.output_dir = done_step.output_dir),
            CASE WHEN task.status IN ('revision_needed', 'blocked') THEN vibe._earned_status(task) END);
        IF done_step.gate IS NULL THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed
              FROM vibe._move_on(task, run.step, new_status, score, at);
            RETURN;
        END IF;
        UPDATE vibe.tasks t
           SET status = coalesce(new_status, t.status), quality_score = coalesce(score, t.quality_score),
               rejection_notes = NULL, updated_at = at
         WHERE t.id = task.id
        RETURNING t.status INTO task_status;
        task_completed := false;
        RETURN;
    END IF;
    task_status := task.status;
    task_completed := false;
    IF done_step.gate IS NULL THEN
        SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, run.branch, at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._advance(vibe.tasks, vibe.runs, numeric, timestamptz) IS 'What follows a run that was done: a gate, the next step, the convergence, or the task''s end.';

-- Tables written: work, tasks. The last branch opens the main step that waited for it, or ends the task.
CREATE FUNCTION vibe._close_branch(
    task vibe.tasks, branch text, at timestamptz,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    main_line vibe.work;
BEGIN
    DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _close_branch.branch;
    task_status := task.status;
    task_completed := false;
    IF EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '') THEN
        RETURN;
    END IF;
    SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    IF NOT FOUND THEN
        task_status := 'completed';
        task_completed := true;
        UPDATE vibe.tasks t SET status = 'completed', step = NULL, ended_at = at, updated_at = at WHERE t.id = task.id;
    ELSIF main_line.waiting_for = 'branches' THEN
        SELECT * INTO next_step, next_agent, task_status, task_completed
          FROM vibe._move_on(task, main_line.step - 1, NULL, NULL, at, _close_branch.branch);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._close_branch(vibe.tasks, text, timestamptz) IS 'Ends a branch: the last one opens the converging step, or ends the task.';

-- Full jitter: any time up to base * 2^(n-1), so that runs which failed together do not return together.
CREATE FUNCTION vibe._back_off(retries integer)
    RETURNS interval
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT random() * least(vibe._setting('retry_max'),
                            vibe._setting('retry_base') * power(2, least(greatest(retries, 1) - 1, 20)));
END;
COMMENT ON FUNCTION vibe._back_off(integer) IS 'How long the n-th retry in a row waits.';

-- Tables written: work, tasks, activities. What follows a run that was not done; the run is closed by the caller.
CREATE FUNCTION vibe._retreat(
    task vibe.tasks, run vibe.runs, outcome text, error text, is_permanent boolean, retry_after interval, at timestamptz,
    OUT waiting_for text, OUT ready_at timestamptz
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    class vibe.outcomes;
    item vibe.work;
    step vibe.pipeline_steps;
BEGIN
    SELECT * INTO STRICT class FROM vibe.outcomes o WHERE o.outcome = _retreat.outcome;
    SELECT * INTO STRICT item FROM vibe.work w WHERE w.task_id = run.task_id AND w.branch = run.branch;
    SELECT * INTO STRICT step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    item.attempts := item.attempts + class.uses_attempt::integer;
    item.retries := least(item.retries + 1, 30000);
    IF class.then_step = 'waits_for_person' OR is_permanent
       OR (class.uses_attempt AND item.attempts >= step.max_attempts) THEN
        waiting_for := 'person';
    -- A step that keeps losing its supervisor must not go round as fast as it can.
    ELSIF class.then_step = 'retries' OR item.retries > 3 THEN
        ready_at := at + coalesce(retry_after, vibe._back_off(item.retries));
        waiting_for := CASE WHEN ready_at > at THEN 'back_off' END;
    END IF;
    UPDATE vibe.work w
       SET state = CASE WHEN _retreat.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END,
           waiting_for = _retreat.waiting_for,
           ready_at = CASE WHEN _retreat.waiting_for = 'back_off' THEN _retreat.ready_at END,
           run_id = NULL, attempts = item.attempts, retries = item.retries, since = at
     WHERE w.task_id = run.task_id AND w.branch = run.branch;
    IF waiting_for = 'person' THEN
        PERFORM vibe._block(task, run.branch, format('%s: %s', class.description, coalesce(error, 'no message')), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._retreat(vibe.tasks, vibe.runs, text, text, boolean, interval, timestamptz) IS 'What follows a run that was not done, by its outcome class: ready again, a back-off, or a person.';

-- A blocked branch leaves the main line, and so the task's status, alone.
CREATE FUNCTION vibe._block(task vibe.tasks, branch text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF branch = '' AND task.status <> 'blocked' THEN
        UPDATE vibe.tasks t SET status = 'blocked', updated_at = at WHERE t.id = task.id;
    END IF;
    RETURN vibe._record('task_blocked', format('Task "%s" needs a person: %s', left(task.title, 200), left(reason, 1000)),
        jsonb_build_object('branch', branch), task.project_id, task.campaign_id, task.id);
END
$$;
COMMENT ON FUNCTION vibe._block(vibe.tasks, text, text, timestamptz) IS 'Marks a task as waiting for a person and says why in the feed.';

-- A hand-held run has no process of ours, so its end is its close.
CREATE FUNCTION vibe._close_run(run_id bigint, outcome text, error text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    closed bigint;
BEGIN
    UPDATE vibe.runs r
       SET outcome = _close_run.outcome, error = left(_close_run.error, 4000), closed_at = at,
           ended_at = CASE WHEN r.started_by = 'hand' THEN at ELSE r.ended_at END
     WHERE r.id = _close_run.run_id AND r.closed_at IS NULL
    RETURNING r.id INTO closed;
    RETURN closed;
END
$$;
COMMENT ON FUNCTION vibe._close_run(bigint, text, text, timestamptz) IS 'Closes a run that was not done: its token writes no more. Returns its id, or nothing if it was closed already.';

-- Numbers in a record come from an agent: whatever is no finite number of the right sign is left out.
CREATE FUNCTION vibe._count(value jsonb)
    RETURNS bigint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e15
        THEN round((value #>> '{}')::numeric)::bigint END;
END;
COMMENT ON FUNCTION vibe._count(jsonb) IS 'A JSON number as a count; NULL where it is none.';

CREATE FUNCTION vibe._small_count(value jsonb)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN vibe._count(value) <= 2147483647 THEN vibe._count(value)::integer END;
END;
COMMENT ON FUNCTION vibe._small_count(jsonb) IS 'A JSON number as an integer that is not negative; NULL where it is none.';

CREATE FUNCTION vibe._amount(value jsonb)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e9
        THEN round((value #>> '{}')::numeric, 8) END;
END;
COMMENT ON FUNCTION vibe._amount(jsonb) IS 'A JSON number as an amount of money; NULL where it is none.';

-- The one door for how a run ended: its verdict (how it was worth, NULL if that was decided before) and its
-- record (how its process ended, NULL if it has not), in one write where both come together. What is decided stays.
CREATE FUNCTION vibe._end_run(run_id bigint, verdict vibe.runs, record jsonb, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ended vibe.runs;
    reported numeric := vibe._amount(record #> '{usage,cost_usd}');
    computed numeric := CASE WHEN reported IS NULL THEN vibe._computed_cost(_end_run.run_id, record -> 'usage') END;
BEGIN
    UPDATE vibe.runs r
       SET outcome = coalesce(r.outcome, verdict.outcome),
           closed_at = coalesce(r.closed_at, at),
           error = coalesce(r.error, verdict.error),
           answer = coalesce(r.answer, verdict.answer),
           summary = coalesce(r.summary, left(verdict.summary, 10000)),
           output = coalesce(r.output, verdict.output),
           output_path = coalesce(r.output_path, verdict.output_path),
           quality_score = coalesce(r.quality_score, verdict.quality_score),
           notes = coalesce(r.notes, verdict.notes),
           superseded = r.superseded OR coalesce(verdict.superseded, false),
           ended_at = CASE WHEN r.started_by = 'hand' OR record IS NOT NULL THEN coalesce(r.ended_at, at) END,
           exit_code = vibe._small_count(record -> 'exit_code'),
           exit_signal = vibe._small_count(record -> 'exit_signal'),
           input_tokens = coalesce(vibe._count(record #> '{usage,input_tokens}'), r.input_tokens),
           output_tokens = coalesce(vibe._count(record #> '{usage,output_tokens}'), r.output_tokens),
           cache_read_tokens = coalesce(vibe._count(record #> '{usage,cache_read_tokens}'), r.cache_read_tokens),
           cache_write_tokens = coalesce(vibe._count(record #> '{usage,cache_write_tokens}'), r.cache_write_tokens),
           cost_usd = coalesce(reported, computed, r.cost_usd),
           cost_source = CASE WHEN reported IS NOT NULL THEN 'reported' WHEN computed IS NOT NULL THEN 'computed' ELSE r.cost_source END,
           model = coalesce(r.model, left(record #>> '{usage,model}', 200)),
           session_id = coalesce(left(record ->> 'session', 200), r.session_id),
           output_tail = right(record ->> 'stdout_tail', 65536),
           error_tail = right(record ->> 'stderr_tail', 65536),
           leftover_processes = vibe._small_count(record -> 'leftover_processes')
     WHERE r.id = _end_run.run_id AND r.ended_at IS NULL
    RETURNING r.* INTO ended;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION vibe._end_run(bigint, vibe.runs, jsonb, timestamptz) IS 'Writes a run''s verdict, its process''s end, or both: exit, usage, cost, tails.';

-- By the work row's key: there is no index on run_id, which every claim would have to write.
CREATE FUNCTION vibe._free_work(run_ids bigint[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    freed bigint;
BEGIN
    UPDATE vibe.work w SET state = 'ready', run_id = NULL, since = at
      FROM vibe.runs r
     WHERE r.id = ANY (run_ids) AND w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id;
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;
COMMENT ON FUNCTION vibe._free_work(bigint[], timestamptz) IS 'Makes the steps ready that these runs hold.';

-- Tables written: work, runs. Steps go back to ready without using up an attempt; processes are told to end.
CREATE FUNCTION vibe._put_back(run_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._free_work(run_ids, at);
    RETURN (SELECT count(vibe._close_run(i, 'cancelled', reason, at)) FROM unnest(run_ids) i);
END
$$;
COMMENT ON FUNCTION vibe._put_back(bigint[], text, timestamptz) IS 'Closes runs as cancelled and makes their steps ready again.';

-- Tables written: work, runs, tasks, activities. The tasks are locked by the caller, ids ascending.
CREATE FUNCTION vibe._cancel_tasks(task_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    held bigint[];
    stopped bigint;
BEGIN
    WITH gone AS (
        DELETE FROM vibe.work w WHERE w.task_id = ANY (task_ids) RETURNING w.run_id
    )
    SELECT array_agg(g.run_id ORDER BY g.run_id) INTO held FROM gone g WHERE g.run_id IS NOT NULL;
    SELECT count(vibe._close_run(i, 'cancelled', reason, at)) INTO stopped FROM unnest(held) i;
    UPDATE vibe.tasks t SET status = 'cancelled', step = NULL, ended_at = at, updated_at = at
     WHERE t.id = ANY (task_ids);
    RETURN stopped;
END
$$;
COMMENT ON FUNCTION vibe._cancel_tasks(bigint[], text, timestamptz) IS 'Cancels locked tasks: drops their work, closes their runs. Returns how many runs were stopped.';

-- Tables written: work, runs, tasks, activities. Rewinds the main line; what was made from the target step on is
-- superseded but kept, what still runs there is stopped (except for asked_by, which closes itself), branches
-- triggered there that are not done are dropped and open again with their trigger.
CREATE FUNCTION vibe._rewind(
    task vibe.tasks, target_step integer, notes text, asked_by bigint, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most integer := coalesce((SELECT c.max_revisions FROM vibe.campaigns c WHERE c.id = task.campaign_id), 3);
    stopped bigint[];
    dropped text[];
    i bigint;
BEGIN
    SELECT s.agent_name INTO STRICT agent_name FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.step = target_step;
    revisions := task.revision_count + 1;
    is_blocked := revisions > most;
    -- A claim may be taking a row at this moment: wait for it, then see its run.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    stopped := ARRAY(SELECT w.run_id FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' AND w.run_id IS NOT NULL);
    WITH gone AS (
        DELETE FROM vibe.work w USING vibe.pipeline_steps s
         WHERE w.task_id = task.id AND w.branch <> '' AND s.pipeline_version_id = task.pipeline_version_id
           AND s.branch = w.branch AND s.trigger_after_step >= target_step
        RETURNING w.branch, w.run_id
    )
    SELECT stopped || coalesce(array_agg(g.run_id) FILTER (WHERE g.run_id IS NOT NULL), '{}'),
           coalesce(array_agg(g.branch), '{}')
      INTO stopped, dropped FROM gone g;
    PERFORM vibe._set_main_line(task, target_step, agent_name, CASE WHEN is_blocked THEN 'person' END, NULL, at);
    FOREACH i IN ARRAY array_remove(stopped, asked_by) LOOP
        PERFORM vibe._close_run(i, 'cancelled', 'superseded by a revision', at);
    END LOOP;
    -- Also what a dropped branch had made and nobody had approved: its gate must not pass as done.
    UPDATE vibe.runs r SET superseded = true
     WHERE r.task_id = task.id AND NOT r.superseded
       AND (r.branch = '' AND r.step >= target_step OR r.branch = ANY (dropped));
    UPDATE vibe.tasks t
       SET status = CASE WHEN is_blocked THEN 'blocked' ELSE 'revision_needed' END, step = target_step,
           revision_count = revisions, rejection_notes = notes, ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s" from step %s.', revisions, left(task.title, 200), target_step),
        jsonb_build_object('notes', notes, 'target_step', target_step, 'revision', revisions),
        task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        task.status := 'blocked';
        PERFORM vibe._block(task, '', format('revision %s exceeds the cap of %s', revisions, most), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._rewind(vibe.tasks, integer, text, bigint, timestamptz) IS 'Puts the main line back to an earlier step with notes, counts the round, and blocks the task at the cap.';
