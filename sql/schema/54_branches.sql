-- One branch alone: opened again, sent back for another round, and what of the main line waits for it then.

CREATE FUNCTION vibe._branch_step(task vibe.tasks, branch text)
    RETURNS vibe.pipeline_steps
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    step vibe.pipeline_steps;
BEGIN
    SELECT * INTO step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = _branch_step.branch AND s.branch <> '';
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, _branch_step.branch, NULL, format('Its pipeline has the branches: %s.', coalesce(
            (SELECT string_agg(s.branch, ', ' ORDER BY s.branch) FROM vibe.pipeline_steps s
              WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> ''), 'none')));
    END IF;
    RETURN step;
END
$$;
COMMENT ON FUNCTION vibe._branch_step(vibe.tasks, text) IS 'The one step of a branch of the task''s pipeline. Raises VB007.';

CREATE FUNCTION vibe._is_past(task vibe.tasks, step integer)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT task.step IS NULL OR _is_past.step < task.step;
END;
COMMENT ON FUNCTION vibe._is_past(vibe.tasks, integer) IS 'Whether the main line has left a step behind, so that branches triggered by it are due.';

CREATE FUNCTION vibe._must_wait(task vibe.tasks, step integer)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN vibe._has_open_branches(task.id) AND EXISTS (
        SELECT 1 FROM vibe.pipeline_versions v WHERE v.id = task.pipeline_version_id AND _must_wait.step >= v.convergence_step);
END
$$;
COMMENT ON FUNCTION vibe._must_wait(vibe.tasks, integer) IS 'Whether a main step has to wait for branches that are open.';

-- Tables written: work. A main step that has not begun waits for a branch that was opened late; one that has, goes
-- on to its end, with its retries, and what follows it waits.
CREATE FUNCTION vibe._open_branch(task vibe.tasks, step vibe.pipeline_steps, waiting_for text, note text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    held_back bigint;
BEGIN
    INSERT INTO vibe.work AS w (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
    VALUES (task.id, step.branch, coalesce(task.campaign_id, 0), step.step, step.agent_name,
            CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for, vibe._priority_rank(task.priority), at, note)
    ON CONFLICT ON CONSTRAINT work_pkey DO UPDATE SET
        state = excluded.state, waiting_for = excluded.waiting_for, run_id = NULL, priority = excluded.priority, attempts = 0,
        retries = 0, ready_at = NULL, since = excluded.since, note = excluded.note;
    UPDATE vibe.work w SET state = 'waiting', waiting_for = 'branches', ready_at = NULL, since = at
     WHERE w.task_id = task.id AND w.branch = '' AND vibe._must_wait(task, w.step)
       AND (w.state = 'ready' OR w.waiting_for = 'back_off' OR (w.waiting_for = 'approval' AND w.agent_name IS NULL));
    GET DIAGNOSTICS held_back = ROW_COUNT;
    RETURN held_back;
END
$$;
COMMENT ON FUNCTION vibe._open_branch(vibe.tasks, vibe.pipeline_steps, text, text, timestamptz) IS 'Opens a branch, also again; a converging step that has not begun waits for it. Returns how many were held back.';

-- Tables written: tasks, work, activities. The work row is not there: the branch was cancelled.
CREATE FUNCTION vibe._reopen_branch(
    task vibe.tasks, branch text, note text, at timestamptz,
    OUT step integer, OUT agent_name text, OUT task_status text
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    branch_step vibe.pipeline_steps := vibe._branch_step(task, branch);
BEGIN
    IF task.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is %s', task.id, task.status),
            DETAIL = format('Branch %L of it was cancelled before it ended.', branch),
            HINT = CASE task.status WHEN 'completed'
                THEN format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …, branch => %L);', task.id, branch)
                ELSE 'A cancelled task stays so; create another one.' END;
    END IF;
    UPDATE vibe.tasks t SET cancelled_branches = array_remove(t.cancelled_branches, _reopen_branch.branch), updated_at = at
     WHERE t.id = task.id;
    -- One whose trigger is still ahead opens with it.
    IF vibe._is_past(task, branch_step.trigger_after_step) THEN
        PERFORM vibe._open_branch(task, branch_step, NULL, note, at);
    END IF;
    PERFORM vibe._record('branch_reopened', format('Branch "%s" of task "%s" is wanted again.', branch, left(task.title, 200)),
        jsonb_build_object('branch', branch, 'note', note), task.project_id, task.campaign_id, task.id);
    step := branch_step.step;
    agent_name := branch_step.agent_name;
    task_status := task.status;
END
$$;
COMMENT ON FUNCTION vibe._reopen_branch(vibe.tasks, text, text, timestamptz) IS 'Takes back the cancellation of a branch. Raises VB007, VB020 (the task has ended).';

-- Raises VB020 for a branch that has made nothing which could be done better.
CREATE FUNCTION vibe._last_run_of_branch(task vibe.tasks, step vibe.pipeline_steps)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    last_run bigint := (SELECT max(r.id) FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = step.branch);
BEGIN
    IF last_run IS NULL
       OR NOT vibe._is_past(task, step.trigger_after_step) AND NOT EXISTS (
           SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = step.branch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the branch has made nothing yet',
            DETAIL = format('Task %s, branch %L starts after step %s.', task.id, step.branch, step.trigger_after_step),
            HINT = format('Once it is open, SELECT * FROM vibe.retry_step(task_id => %s, branch => %L, note => …); leaves a note for its first run.', task.id, step.branch);
    END IF;
    RETURN last_run;
END
$$;
COMMENT ON FUNCTION vibe._last_run_of_branch(vibe.tasks, vibe.pipeline_steps) IS 'The newest run of a branch that is due. Raises VB020 if there is none.';

-- Tables written: work, runs, agent_results, tasks, activities. The notes stay with the run that they are about, so that they
-- outlive the work row. A completed task is open again, with only this branch to do.
CREATE FUNCTION vibe._send_back_branch(
    task vibe.tasks, branch text, notes text, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    branch_step vibe.pipeline_steps := vibe._branch_step(task, branch);
    last_run bigint;
    item vibe.work;
BEGIN
    revisions := task.revision_count + 1;
    is_blocked := revisions > vibe._max_revisions(task);
    agent_name := branch_step.agent_name;
    -- The claim may be taking the row at this moment: wait for it, then see its run.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _send_back_branch.branch FOR UPDATE;
    last_run := vibe._last_run_of_branch(task, branch_step);
    PERFORM vibe._close_run(item.run_id, 'cancelled', 'superseded by a revision', at);
    PERFORM vibe._add_results(task.id, -1);
    UPDATE vibe.runs r SET superseded = true, notes = CASE WHEN r.id = last_run THEN _send_back_branch.notes ELSE r.notes END
     WHERE r.task_id = task.id AND r.branch = _send_back_branch.branch AND (NOT r.superseded OR r.id = last_run);
    PERFORM vibe._add_results(task.id, 1);
    UPDATE vibe.tasks t
       SET revision_count = revisions, cancelled_branches = array_remove(t.cancelled_branches, _send_back_branch.branch),
           status = CASE WHEN task.ended_at IS NULL THEN t.status ELSE 'revision_needed' END, ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._open_branch(task, branch_step, CASE WHEN is_blocked THEN 'person' END, NULL, at);
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s", branch "%s".', revisions, left(task.title, 200), branch),
        jsonb_build_object('notes', notes, 'branch', branch, 'revision', revisions), task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        PERFORM vibe._block(task, branch, format('revision %s exceeds the cap of %s', revisions, vibe._max_revisions(task)), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._send_back_branch(vibe.tasks, text, text, timestamptz) IS 'Another round of one branch with notes: its result is superseded, what runs of it is stopped, the round is counted. Raises VB007, VB020.';
