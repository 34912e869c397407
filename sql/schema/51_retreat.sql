-- What follows a run that was not done.

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
    PERFORM vibe._tell_crash(task, run, outcome, error);
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
