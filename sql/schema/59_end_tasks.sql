-- Verbs that change by hand where a task stands, or end it: set_task_status(), cancel_tasks(), delete_task().

-- Tables written: work, runs, tasks, campaigns, activities. Locks, in order: the task row (by the caller), its work
-- and runs, the campaign row.
CREATE FUNCTION vibe._end_task(task vibe.tasks, status text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    held bigint[];
    stopped bigint;
BEGIN
    WITH gone AS (
        DELETE FROM vibe.work w WHERE w.task_id = task.id RETURNING w.run_id
    )
    SELECT coalesce(array_agg(g.run_id ORDER BY g.run_id), '{}') INTO held FROM gone g WHERE g.run_id IS NOT NULL;
    SELECT count(vibe._close_run(i, 'cancelled', format('the task was set to %s', _end_task.status), at)) INTO stopped FROM unnest(held) i;
    UPDATE vibe.tasks t SET status = _end_task.status, step = NULL, rejection_notes = NULL, ended_at = at, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('task_' || _end_task.status, format('Task "%s" was set to %s by hand.', left(task.title, 200), _end_task.status),
        jsonb_build_object('reason', reason, 'runs_stopped', stopped), task.project_id, task.campaign_id, task.id);
    PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    RETURN stopped;
END
$$;
COMMENT ON FUNCTION vibe._end_task(vibe.tasks, text, text, timestamptz) IS 'Ends a locked task in a final status: drops its work, stops its runs, and ends the campaign with its last open task.';

-- Locks: the main line's work row, so that no claim takes it meanwhile.
CREATE FUNCTION vibe._main_line_at_rest(task vibe.tasks)
    RETURNS vibe.work
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE;
    IF item.state = 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB010',
            MESSAGE = 'the step is being done now',
            DETAIL = format('Run %s holds step %s of task %s and will say what becomes of it.', item.run_id, item.step, task.id),
            HINT = format('Wait for its end, or SELECT * FROM vibe.cancel_run(%s) first.', item.run_id);
    END IF;
    RETURN item;
END
$$;
COMMENT ON FUNCTION vibe._main_line_at_rest(vibe.tasks) IS 'The main line''s work row, locked; all NULL where only branches are left. Raises VB010 while a run holds it.';

-- Tables written: work, tasks, activities. A main line that waits for an approval or for branches would lose what it
-- waits for, and starts nothing by itself anyhow.
CREATE FUNCTION vibe._park(task vibe.tasks, item vibe.work, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF item.task_id IS NULL OR item.waiting_for IN ('approval', 'branches') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('task %s has no step that could be blocked', task.id),
            DETAIL = CASE WHEN task.ended_at IS NOT NULL THEN format('It is %s.', task.status)
                WHEN item.task_id IS NULL THEN 'Its main line is done; only branches are left.'
                ELSE format('Step %s waits for %s already.', item.step, item.waiting_for) END,
            HINT = CASE WHEN task.ended_at IS NULL THEN format('SELECT * FROM vibe.cancel_task(%s) gives it up.', task.id)
                ELSE format('SELECT * FROM vibe.request_revision(%s, notes) opens it again.', task.id) END;
    END IF;
    UPDATE vibe.work w SET state = 'waiting', waiting_for = 'person', ready_at = NULL, since = at
     WHERE w.task_id = task.id AND w.branch = '';
    RETURN vibe._block(task, '', coalesce(reason, 'it was set to blocked by hand'), at);
END
$$;
COMMENT ON FUNCTION vibe._park(vibe.tasks, vibe.work, text, timestamptz) IS 'Makes the main line wait for a person. Raises VB033 where there is none, or it waits for an approval or for branches.';

-- Tables written: work, tasks, activities. Leaving blocked makes the step ready, with fresh attempts.
CREATE FUNCTION vibe._restate(task vibe.tasks, item vibe.work, status text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF task.status = 'blocked' AND item.waiting_for = 'person' THEN
        UPDATE vibe.work w
           SET state = 'ready', waiting_for = NULL, ready_at = NULL, attempts = 0, retries = 0, since = at,
               note = coalesce(reason, w.note)
         WHERE w.task_id = task.id AND w.branch = '';
    END IF;
    UPDATE vibe.tasks t SET status = _restate.status, updated_at = at WHERE t.id = task.id;
    RETURN vibe._record('task_status_changed', format('Task "%s" went from %s to %s by hand.', left(task.title, 200), task.status, _restate.status),
        jsonb_build_object('from', task.status, 'to', _restate.status, 'reason', reason), task.project_id, task.campaign_id, task.id);
END
$$;
COMMENT ON FUNCTION vibe._restate(vibe.tasks, vibe.work, text, text, timestamptz) IS 'Gives an open task another status that is neither final nor blocked.';

CREATE FUNCTION vibe.set_task_status(id bigint, status text, reason text DEFAULT NULL)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_task_status('status', set_task_status.status);
    task := vibe._lock_task(set_task_status.id);
    IF task.status <> set_task_status.status THEN
        PERFORM vibe._require_transition(task.id, task.status, set_task_status.status);
        IF set_task_status.status = 'cancelled' THEN
            PERFORM vibe.cancel_task(task.id, set_task_status.reason);
        ELSIF set_task_status.status = 'revision_needed' AND task.status <> 'blocked' THEN
            PERFORM vibe.request_revision(task.id, set_task_status.reason);
        ELSIF (SELECT s.is_final FROM vibe.task_statuses s WHERE s.status = set_task_status.status) THEN
            PERFORM vibe._end_task(task, set_task_status.status, set_task_status.reason, at);
        ELSIF set_task_status.status = 'blocked' OR task.ended_at IS NOT NULL THEN
            PERFORM vibe._park(task, vibe._main_line_at_rest(task), set_task_status.reason, at);
        ELSE
            PERFORM vibe._restate(task, vibe._main_line_at_rest(task), set_task_status.status, set_task_status.reason, at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.set_task_status(bigint, text, text) IS 'Sets by hand where a task stands. cancelled is cancel_task(); revision_needed is request_revision() with reason as its notes; completed, or another final status, ends the task: its work is dropped, what runs for it is stopped, and its campaign ends with its last open task; blocked makes the main line wait for a person; a change from blocked to an open status makes that step ready again with fresh attempts, reason being the note for its next run; any other change moves nothing in the pipeline. The status it has already changes nothing. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB010 (a run is at its main line), VB020 (illegal change: DETAIL names the legal ones), VB021 (campaign ended), VB022, VB030, VB033 (blocked: the main line is done, or waits already).';

-- Tables written: tasks, and what hangs on it: work, runs, assignees, subscribers; campaigns, activities. Locks, in
-- order: the task row, its work rows (a claim may be taking one at this moment: then its run is seen), the campaign row.
CREATE FUNCTION vibe.delete_task(id bigint)
    RETURNS TABLE (task_id bigint, title text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(delete_task.id);
    alive text;
BEGIN
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    SELECT string_agg(r.id::text, ', ' ORDER BY r.id) INTO alive FROM vibe.runs r
     WHERE r.task_id = task.id AND r.ended_at IS NULL;
    IF alive IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('task %s still has a run', task.id),
            DETAIL = format('Run %s is running, or its process has not ended yet.', alive),
            HINT = format('SELECT * FROM vibe.cancel_task(%s), and delete it when vibe.now shows it no more.', task.id);
    END IF;
    DELETE FROM vibe.tasks t WHERE t.id = task.id;
    PERFORM vibe._record('task_deleted', format('Task "%s" was deleted.', left(task.title, 200)),
        jsonb_build_object('number', task.number, 'status', task.status), task.project_id, task.campaign_id, task.id);
    PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT task.id, task.title;
END
$$;
COMMENT ON FUNCTION vibe.delete_task(bigint) IS 'Removes a task with its runs, and so what they cost; published files stay. Its campaign ends if all that are left have ended. Locks the task row, its work, then the campaign row. Raises VB003, VB022, VB033 (a step runs, or a process of it has not ended).';

-- Open tasks that a filter names, by the narrowest of its keys; only one of the arms is ever executed.
CREATE FUNCTION vibe._filtered_tasks(filter jsonb)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ids bigint[] := vibe._ids_field(filter, 'task_ids');
    project bigint := vibe._id_field(filter, 'project_id');
    campaign bigint := vibe._id_field(filter, 'campaign_id');
    agent text := vibe._text_field(filter, 'agent_name', NULL);
    found_ids bigint[];
BEGIN
    IF ids IS NOT NULL THEN
        found_ids := ids;
    ELSIF campaign IS NOT NULL THEN
        found_ids := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.campaign_id = campaign AND t.ended_at IS NULL);
    ELSIF agent IS NOT NULL THEN
        found_ids := ARRAY(SELECT DISTINCT w.task_id FROM vibe.work w WHERE w.agent_name = agent);
    ELSE
        found_ids := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.project_id = coalesce(project, t.project_id) AND t.ended_at IS NULL);
    END IF;
    RETURN ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id = ANY (found_ids) AND t.project_id = coalesce(project, t.project_id)
          AND (campaign IS NULL OR t.campaign_id = campaign)
          AND (agent IS NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = t.id AND w.agent_name = agent)));
END
$$;
COMMENT ON FUNCTION vibe._filtered_tasks(jsonb) IS 'The ids of tasks that a filter names by ids, project, campaign and agent. Raises VB030.';

-- Tables written: tasks, work, runs, campaigns, activities. Locks, in order: the tasks, ids ascending; their work and
-- runs; the campaign rows, ids ascending. What a verb changed meanwhile is looked at again under the lock.
CREATE FUNCTION vibe.cancel_tasks(filter jsonb, reason text DEFAULT NULL)
    RETURNS TABLE (tasks_cancelled bigint, runs_stopped bigint, campaigns_completed bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    wanted_status text;
    wanted_priority text;
    found_ids bigint[];
    locked bigint[];
BEGIN
    PERFORM vibe._check_fields('filter', filter, ARRAY['project_id', 'campaign_id', 'status', 'agent_name', 'priority', 'task_ids']);
    IF filter = '{}' THEN
        PERFORM vibe._invalid_argument('filter', filter::text, 'Name what is to be cancelled: project_id, campaign_id, status, agent_name, priority or task_ids.');
    END IF;
    wanted_status := CASE WHEN filter ? 'status' THEN vibe._check_task_status('status', vibe._text_field(filter, 'status', NULL)) END;
    wanted_priority := CASE WHEN filter ? 'priority' THEN vibe._check_priority(vibe._text_field(filter, 'priority', NULL)) END;
    IF filter ? 'agent_name' THEN
        PERFORM vibe._check_agents(ARRAY[vibe._text_field(filter, 'agent_name', NULL)]);
    END IF;
    found_ids := vibe._filtered_tasks(filter);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id = ANY (found_ids) AND t.ended_at IS NULL
          AND t.status = coalesce(wanted_status, t.status) AND t.priority = coalesce(wanted_priority, t.priority)
        ORDER BY t.id FOR NO KEY UPDATE);
    runs_stopped := vibe._cancel_tasks(locked, coalesce(cancel_tasks.reason, 'the task was cancelled'), at);
    tasks_cancelled := cardinality(locked);
    INSERT INTO vibe.activities (at, kind, actor, project_id, campaign_id, task_id, message, detail)
    SELECT at, 'task_cancelled', vibe._actor(), t.project_id, t.campaign_id, t.id,
           format('Task "%s" was cancelled.', left(t.title, 200)), jsonb_build_object('reason', cancel_tasks.reason)
      FROM vibe.tasks t WHERE t.id = ANY (locked) ORDER BY t.id;
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.campaign_id, at)) INTO campaigns_completed
      FROM (SELECT DISTINCT t.campaign_id FROM vibe.tasks t
             WHERE t.id = ANY (locked) AND t.campaign_id IS NOT NULL ORDER BY t.campaign_id) c;
    PERFORM vibe._wake(false);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.cancel_tasks(jsonb, text) IS 'Cancels all open tasks that every key of filter fits: project_id, campaign_id, status, priority, task_ids (an array), agent_name (an agent that a step of theirs is ready, running or waiting for). What runs for them is stopped, whole process trees. Locks the tasks, ids ascending, then their campaigns. Raises VB004 (agent), VB022, VB030 (an empty filter, another key, invalid value).';
