-- The verbs that end a run with or without a result, and the one that tries its step again.

CREATE FUNCTION vibe._stays_in_workspace(path text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT length(path) <= 4000 AND path !~ E'^/|(^|/)[.][.](/|$)|[\x01-\x1f]';
END;
COMMENT ON FUNCTION vibe._stays_in_workspace(text) IS 'Whether a path is relative and leads nowhere above where it begins.';

CREATE FUNCTION vibe._check_result(quality_score numeric, output_path text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (quality_score BETWEEN 0 AND 100) THEN
        PERFORM vibe._invalid_argument('quality_score', quality_score::text, 'Use 0 to 100, or NULL.');
    ELSIF NOT vibe._stays_in_workspace(output_path) THEN
        PERFORM vibe._invalid_argument('output_path', output_path, 'Use a path relative to the workspace, without "..".');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_result(numeric, text) IS 'Raises VB030 for a score outside 0 to 100 or a path that leaves the workspace.';

CREATE FUNCTION vibe._answer(next_step integer, next_agent text, task_status text, task_completed boolean)
    RETURNS jsonb
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object('next_step', next_step, 'next_agent', next_agent, 'task_status', task_status, 'task_completed', task_completed);
END;
COMMENT ON FUNCTION vibe._answer(integer, text, text, boolean) IS 'What complete_step() answers, as it is kept in runs.answer.';

-- Tables written: work, tasks, runs, campaigns, activities. Locks, in order: the task row (by the caller), at the
-- task's end another open task of the campaign (tried), or else the campaign row. record is the end of its process, where that is what completes it.
CREATE FUNCTION vibe._complete(
    task vibe.tasks, run vibe.runs, output jsonb, quality_score numeric, output_path text, summary text,
    record jsonb, at timestamptz
)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moved record;
    answer jsonb;
BEGIN
    PERFORM vibe._check_result(_complete.quality_score, _complete.output_path);
    SELECT * INTO moved FROM vibe._advance(task, run, _complete.quality_score, at);
    answer := vibe._answer(moved.next_step, moved.next_agent, moved.task_status, moved.task_completed);
    PERFORM 1 FROM vibe._end_runs(ARRAY[(run.id, 'done', NULL, answer, _complete.summary, _complete.output, _complete.output_path,
        _complete.quality_score, NULL, NULL, _complete.record)::vibe._run_end], at);
    PERFORM vibe._notify('step_advanced', format('Step %s of task "%s" is done.', run.step, left(task.title, 200)),
        answer, task.project_id, task.campaign_id, task.id, run.id);
    IF moved.task_completed AND NOT vibe._leaves_the_end_to_another(run.campaign_id) THEN
        PERFORM vibe._finish_campaign(run.campaign_id, at);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION vibe._complete(vibe.tasks, vibe.runs, jsonb, numeric, text, text, jsonb, timestamptz) IS 'Closes an open run as done and moves its task on; returns the answer that is kept in runs.answer.';

CREATE FUNCTION vibe.complete_step(
    task_id bigint, agent_name text, lock_token text DEFAULT NULL, output jsonb DEFAULT NULL,
    quality_score numeric DEFAULT NULL, output_path text DEFAULT NULL, branch text DEFAULT '', summary text DEFAULT NULL
)
    RETURNS TABLE (completed boolean, next_step integer, next_agent text, task_status text, task_completed boolean)
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
    task vibe.tasks := vibe._lock_task(complete_step.task_id);
    run vibe.runs := vibe._run_of(task.id, complete_step.agent_name, complete_step.lock_token, coalesce(complete_step.branch, ''));
    reply jsonb := run.answer;
    items vibe._completion[];
    moves vibe._plain_move[];
BEGIN
    IF reply IS NULL THEN
        items := ARRAY[(1, run.id, complete_step.output, complete_step.quality_score, complete_step.output_path, complete_step.summary, NULL)::vibe._completion];
        moves := vibe._move_plainly(items, at);
        IF moves <> '{}' THEN
            reply := vibe._answer(moves[1].next_step, moves[1].next_agent, moves[1].task_status, false);
        ELSE
            reply := vibe._complete(task, run, complete_step.output, complete_step.quality_score,
                complete_step.output_path, complete_step.summary, NULL, at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT true, (reply ->> 'next_step')::integer, reply ->> 'next_agent',
        reply ->> 'task_status', (reply ->> 'task_completed')::boolean;
END
$$;
COMMENT ON FUNCTION vibe.complete_step(bigint, text, text, jsonb, numeric, text, text, text) IS 'Records a step''s result and moves the task on: next step, branches or the end, all in the caller''s transaction. Repeated with the same token it returns the first answer and changes nothing. An operator may leave the token out. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB004, VB011 (stale or foreign token), VB012 (wrong agent), VB013 (no live lock), VB020, VB022, VB030, VB060 (an agent without its token).';

CREATE FUNCTION vibe.fail_step(
    run_id bigint, lock_token text, outcome text DEFAULT 'failed', error text DEFAULT NULL, retry_after interval DEFAULT NULL
)
    RETURNS TABLE (waiting_for text, ready_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    retreat record;
BEGIN
    IF fail_step.outcome IS NULL OR fail_step.outcome IN ('done', 'revise', 'cancelled')
       OR NOT EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = fail_step.outcome) THEN
        PERFORM vibe._invalid_argument('outcome', fail_step.outcome, 'Use failed, blocked, rate_limited, auth, budget, bad_result, killed, lost, exec_error, timeout_start, timeout_idle or timeout_total.');
    ELSIF NOT (fail_step.retry_after BETWEEN interval '0' AND interval '30 days') THEN
        PERFORM vibe._invalid_argument('retry_after', fail_step.retry_after::text, 'Use 0 to 30 days, or NULL for the usual back-off.');
    END IF;
    run := vibe._run_by_token(fail_step.run_id, fail_step.lock_token);
    IF run.task_id IS NULL THEN
        -- A chore has no step to go back to: what follows, follows its process's end.
        PERFORM vibe._close_run(run.id, fail_step.outcome, fail_step.error, at);
        PERFORM vibe._wake(false);
        RETURN QUERY SELECT NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO retreat FROM vibe._retreat(vibe._lock_task(run.task_id), run, fail_step.outcome, fail_step.error, false, fail_step.retry_after, at);
    PERFORM vibe._close_run(run.id, fail_step.outcome, fail_step.error, at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT retreat.waiting_for, retreat.ready_at;
END
$$;
COMMENT ON FUNCTION vibe.fail_step(bigint, text, text, text, interval) IS 'Ends a run without a result. The outcome class (vibe.outcomes) decides whether an attempt is used and whether the step retries, after retry_after or the usual back-off, or waits for a person; a heartbeat is over (both NULL). Locks the task row, or the heartbeat. Raises VB006, VB011, VB022, VB030.';

CREATE FUNCTION vibe._step_not_found(task_id bigint, branch text, step integer, hint text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB007',
        MESSAGE = 'no such step or branch',
        DETAIL = format('Task %s, branch %L%s.', task_id, branch, coalesce(', step ' || step, '')),
        HINT = hint;
END
$$;
COMMENT ON FUNCTION vibe._step_not_found(bigint, text, integer, text) IS 'Raises VB007.';

-- Raises VB010 or VB020 for work that a retry is not for.
CREATE FUNCTION vibe._check_retriable(task vibe.tasks, item vibe.work)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF item.state = 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB010',
            MESSAGE = 'the step is being done now',
            DETAIL = format('Run %s holds task %s, branch %L.', item.run_id, task.id, item.branch),
            HINT = 'Wait for its end.';
    ELSIF item.waiting_for IN ('approval', 'branches') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the step does not wait for a retry',
            DETAIL = format('Task %s, branch %L waits for %s.', task.id, item.branch, item.waiting_for),
            HINT = CASE item.waiting_for WHEN 'approval' THEN format('SELECT * FROM vibe.approve_step(task_id => %s, branch => %L);', task.id, item.branch)
                ELSE 'It goes on when its branches are done.' END;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_retriable(vibe.tasks, vibe.work) IS 'Raises VB010 for a step that is being done, VB020 for one that waits for something else.';

-- Tables written: work, tasks, activities. The task and the work row are locked by the caller.
CREATE FUNCTION vibe._retry(task vibe.tasks, item vibe.work, note text, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    waits_for text := CASE WHEN item.branch = '' AND vibe._must_wait(task, item.step) THEN 'branches' END;
BEGIN
    UPDATE vibe.work w
       SET state = CASE WHEN waits_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for = waits_for,
           ready_at = NULL, attempts = 0, retries = 0, since = at, note = coalesce(_retry.note, w.note)
     WHERE w.task_id = task.id AND w.branch = item.branch;
    IF task.status = 'blocked' AND item.branch = '' THEN
        UPDATE vibe.tasks t
           SET status = CASE WHEN task.rejection_notes IS NULL THEN vibe._earned_status(task) ELSE 'revision_needed' END,
               updated_at = at
         WHERE t.id = task.id;
    END IF;
    PERFORM vibe._record('step_retried', format('Step %s of task "%s" is tried again.', item.step, left(task.title, 200)),
        jsonb_build_object('branch', item.branch, 'step', item.step, 'note', _retry.note), task.project_id, task.campaign_id, task.id);
    -- Read anew: together with this branch another one of the task may have been retried.
    RETURN (SELECT t.status FROM vibe.tasks t WHERE t.id = task.id);
END
$$;
COMMENT ON FUNCTION vibe._retry(vibe.tasks, vibe.work, text, timestamptz) IS 'Makes a parked step ready with fresh attempts; returns the task''s status.';

CREATE FUNCTION vibe.retry_step(task_id bigint, branch text DEFAULT '', note text DEFAULT NULL)
    RETURNS TABLE (step integer, agent_name text, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(retry_step.task_id);
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(retry_step.branch, '') FOR UPDATE;
    IF FOUND THEN
        PERFORM vibe._check_retriable(task, item);
        step := item.step;
        agent_name := item.agent_name;
        task_status := vibe._retry(task, item, retry_step.note, at);
    ELSIF retry_step.branch = ANY (task.cancelled_branches) THEN
        SELECT * INTO step, agent_name, task_status FROM vibe._reopen_branch(task, retry_step.branch, retry_step.note, at);
    ELSE
        PERFORM vibe._step_not_found(task.id, retry_step.branch, NULL, 'Only a branch that is open or was cancelled can be retried.');
    END IF;
    PERFORM vibe._wake(true);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.retry_step(bigint, text, text) IS 'Makes a step that waits for a person or for its back-off ready now, with fresh attempts; the note reaches its next run. A task blocked at the cap of its revisions goes on with that revision. A branch that was cancelled opens again, at once or with its trigger. Locks the task row. Raises VB003, VB007 (nothing to retry), VB010 (being done), VB020 (waits for something else; a cancelled branch of a task that has ended), VB022.';
