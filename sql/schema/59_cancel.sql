-- The verbs that give something up: whatever runs for it is stopped, whole process trees.

CREATE FUNCTION vibe.cancel_task(id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (task_id bigint, status text, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(cancel_task.id);
    stopped bigint := 0;
BEGIN
    IF task.status = 'completed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is completed', task.id),
            DETAIL = format('Task "%s" was completed at %s.', left(task.title, 200), task.ended_at),
            HINT = 'Nothing is left to cancel.';
    ELSIF task.status <> 'cancelled' THEN
        stopped := vibe._cancel_tasks(ARRAY[task.id], coalesce(cancel_task.reason, 'the task was cancelled'), at);
        PERFORM vibe._record('task_cancelled', format('Task "%s" was cancelled.', left(task.title, 200)),
            jsonb_build_object('reason', cancel_task.reason, 'runs_stopped', stopped), task.project_id, task.campaign_id, task.id);
        PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT task.id, 'cancelled'::text, stopped;
END
$$;
COMMENT ON FUNCTION vibe.cancel_task(bigint, text) IS 'Gives a task up: its work is dropped and whatever runs for it is stopped, whole process trees. A second call changes nothing. Locks the task row, then the campaign row. Raises VB003, VB020 (completed), VB022.';

CREATE FUNCTION vibe.cancel_run(run_id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (cancelled boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    task vibe.tasks;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = cancel_run.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(cancel_run.run_id);
    END IF;
    IF run.task_id IS NULL THEN
        PERFORM vibe._lock_chore(run.id);
    ELSE
        task := vibe._lock_task(run.task_id);
    END IF;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = cancel_run.run_id;
    IF run.closed_at IS NULL THEN
        IF run.task_id IS NOT NULL THEN
            PERFORM vibe._retreat(task, run, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), false, NULL, at);
        END IF;
        PERFORM vibe._close_run(run.id, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT run.closed_at IS NULL;
END
$$;
COMMENT ON FUNCTION vibe.cancel_run(bigint, text) IS 'Stops one run, its whole process tree; its step then waits for a person (retry_step), a heartbeat is over, and what a notifier had not sent is sent later. cancelled is false if it had ended already. Locks the task row, or the chore. Raises VB006, VB022.';

-- Raises VB020 where nothing of the branch is left to give up.
CREATE FUNCTION vibe._check_branch_cancellable(task vibe.tasks, branch text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    is_done boolean := EXISTS (SELECT 1 FROM vibe.runs r
        WHERE r.task_id = task.id AND r.branch = _check_branch_cancellable.branch AND r.outcome = 'done' AND NOT r.superseded);
BEGIN
    IF task.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is %s', task.id, task.status),
            DETAIL = format('Task "%s" ended at %s.', left(task.title, 200), task.ended_at),
            HINT = 'Nothing is left to cancel.';
    ELSIF is_done AND NOT EXISTS (SELECT 1 FROM vibe.work w
        WHERE w.task_id = task.id AND w.branch = _check_branch_cancellable.branch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the branch is done',
            DETAIL = format('Task %s, branch %L has a result.', task.id, branch),
            HINT = format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …, branch => %L); has it done again.', task.id, branch);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_branch_cancellable(vibe.tasks, text) IS 'Raises VB020 for a branch that is done or whose task has ended.';

-- Tables written: work, runs, agent_results, tasks, activities, at the task's end campaigns. Locks, in order: the task row, the
-- branch's work row, at the task's end the campaign row.
CREATE FUNCTION vibe.cancel_branch(task_id bigint, branch text, reason text DEFAULT NULL)
    RETURNS TABLE (cancelled boolean, runs_stopped bigint, next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(cancel_branch.task_id);
    given_up text := (vibe._branch_step(task, cancel_branch.branch)).branch;
    held bigint;
BEGIN
    cancelled := given_up <> ALL (task.cancelled_branches);
    runs_stopped := 0;
    task_status := task.status;
    task_completed := false;
    IF cancelled THEN
        -- A claim may be taking the row at this moment: wait for it, then see its run.
        SELECT w.run_id INTO held FROM vibe.work w WHERE w.task_id = task.id AND w.branch = given_up FOR UPDATE;
        PERFORM vibe._check_branch_cancellable(task, given_up);
        runs_stopped := count(vibe._close_run(held, 'cancelled', coalesce(cancel_branch.reason, 'the branch was cancelled'), at));
        -- What nobody had approved is no result.
        PERFORM vibe._add_results(task.id, -1);
        UPDATE vibe.runs r SET superseded = true WHERE r.task_id = task.id AND r.branch = given_up AND NOT r.superseded;
        PERFORM vibe._add_results(task.id, 1);
        UPDATE vibe.tasks t SET cancelled_branches = t.cancelled_branches || given_up, updated_at = at
         WHERE t.id = task.id
        RETURNING * INTO task;
        PERFORM vibe._record('branch_cancelled', format('Branch "%s" of task "%s" was cancelled.', given_up, left(task.title, 200)),
            jsonb_build_object('branch', given_up, 'reason', cancel_branch.reason, 'runs_stopped', runs_stopped),
            task.project_id, task.campaign_id, task.id);
        -- A task without any work is the sweep's to judge: it may have lost more than this branch.
        IF EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id) THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, given_up, at);
        END IF;
        IF task_completed THEN
            PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.cancel_branch(bigint, text, text) IS 'Gives one branch of a task up, started or not: its run is stopped, its work dropped, and it counts as settled, so that the converging step or the task''s end waits for it no more. It stays cancelled through revisions and sweeps until retry_step(task_id, branch) opens it again. A second call changes nothing (cancelled false). Locks the task row, at the task''s end also the campaign row. Raises VB003, VB007 (no such branch), VB020 (done, or the task has ended), VB022.';
