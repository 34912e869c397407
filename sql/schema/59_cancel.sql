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
    task := vibe._lock_task(run.task_id);
    SELECT * INTO run FROM vibe.runs r WHERE r.id = cancel_run.run_id;
    IF run.closed_at IS NULL THEN
        PERFORM vibe._retreat(task, run, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), false, NULL, at);
        PERFORM vibe._close_run(run.id, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT run.closed_at IS NULL;
END
$$;
COMMENT ON FUNCTION vibe.cancel_run(bigint, text) IS 'Stops one run, its whole process tree; its step then waits for a person (retry_step). cancelled is false if it had ended already. Locks the task row. Raises VB006, VB022.';
