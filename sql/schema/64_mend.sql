-- What the sweep does for one task: branches that are due but have no work, and a main line that lost its own.

-- The probes of vibe.work and vibe.runs are subqueries with a LIMIT on purpose: they stay index probes, however many rows
-- there are, and even where the statistics know of none, as after a big activation.
CREATE FUNCTION vibe._missing_branches(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT due.task_id, due.campaign_id, due.branch
      FROM (SELECT t.id AS task_id, t.campaign_id, s.branch, t.deliverables, s.deliverable
              FROM vibe.tasks t
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> ''
             WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
               AND vibe._is_past(t, s.trigger_after_step)
               AND s.branch <> ALL (t.cancelled_branches)
               AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = s.branch LIMIT 1) IS NULL
            -- What follows is asked of the few that are left.
            OFFSET 0) due
      LEFT JOIN vibe.campaigns c ON c.id = due.campaign_id
     WHERE vibe._wants(coalesce(due.deliverables, c.deliverables), due.deliverable)
       AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = due.task_id AND r.branch = due.branch
               AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL
     ORDER BY due.task_id, due.branch;
END;
COMMENT ON FUNCTION vibe._missing_branches(bigint, bigint) IS 'find_missing_branches() for the open tasks whose ids are above the first and up to the second.';

CREATE FUNCTION vibe.find_missing_branches()
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT b.task_id, b.campaign_id, b.branch FROM vibe._missing_branches(0, 9223372036854775807) b;
END;
COMMENT ON FUNCTION vibe.find_missing_branches() IS 'Branches of open tasks that are wanted and due, neither done nor cancelled, and without work: nothing would ever do them.';

-- Tables written: work. Only branches triggered before a main step: the others open with it.
CREATE FUNCTION vibe._requeue_branches(task vibe.tasks, before_step integer, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT count(vibe._open_branch(task, s, NULL, NULL, at))
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> '' AND s.trigger_after_step < before_step
           AND vibe._wants(vibe._wanted(task), s.deliverable) AND s.branch <> ALL (task.cancelled_branches)
           AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = s.branch)
           AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = s.branch
                              AND r.outcome = 'done' AND NOT r.superseded));
END
$$;
COMMENT ON FUNCTION vibe._requeue_branches(vibe.tasks, integer, timestamptz) IS 'Opens branches of a task that are due but have no work; returns how many.';

-- Tables written: work, tasks. Locks, in order: the tasks, ids ascending. Also a main line that waits for branches
-- of which none is left.
CREATE FUNCTION vibe._mend_branches(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    main_line vibe.work;
    opened bigint;
    mended bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.ended_at IS NULL AND t.id = ANY (ARRAY(
            (SELECT b.task_id FROM vibe._missing_branches(after, last_id) b LIMIT 1000)
            UNION ALL
            (SELECT w.task_id FROM vibe.work w WHERE w.task_id > after AND w.task_id <= last_id
                AND w.waiting_for = 'branches' AND NOT vibe._has_open_branches(w.task_id) LIMIT 1000)))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- A claim takes a row of work without its task: one that is at it is not waited for.
        SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '');
        opened := vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        IF main_line.waiting_for = 'branches' AND NOT vibe._has_open_branches(task.id) THEN
            PERFORM vibe._move_on(task, main_line.step - 1, NULL, NULL, at);
        ELSIF opened = 0 THEN
            CONTINUE;
        END IF;
        PERFORM vibe._record('orphan_requeued', format('Branches of task "%s" had no work and were looked after.', left(task.title, 200)),
            jsonb_build_object('branches_opened', opened), task.project_id, task.campaign_id, task.id);
        mended := mended + 1;
    END LOOP;
    RETURN mended;
END
$$;
COMMENT ON FUNCTION vibe._mend_branches(bigint, bigint, timestamptz) IS 'Opens missing branches of the open tasks with these ids, and main lines that wait for branches which are not there; returns how many tasks were mended.';

-- Tables written: work, tasks. Where the step has its result, its gate was waiting; where the task is blocked, it
-- still waits for a person.
CREATE FUNCTION vibe._restore_main_line(task vibe.tasks, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed bigint := 0;
BEGIN
    -- A main line that is done ends the task, if no branch is left.
    PERFORM vibe._move_on(task, coalesce(task.step - 1, 2147483647), NULL, NULL, at);
    UPDATE vibe.work w SET state = 'waiting', waiting_for = CASE WHEN task.status = 'blocked' THEN 'person' ELSE 'approval' END
     WHERE w.task_id = task.id AND w.branch = '' AND w.state = 'ready'
       AND (task.status = 'blocked' OR EXISTS (
            SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = '' AND r.step = task.step
                AND r.outcome = 'done' AND NOT r.superseded));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION vibe._restore_main_line(vibe.tasks, timestamptz) IS 'Gives a task the work of its main line back: ready, or waiting for what it waited for.';
