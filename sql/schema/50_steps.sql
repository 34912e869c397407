-- The state machine: what follows a step that was done, failed, or is to be done again. Everything here is
-- called with the task row locked; the verbs of 55 to 60 are its only callers.

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
        under_way || array_remove(ARRAY[closed_branch], NULL) || task.cancelled_branches || ARRAY(SELECT r.branch FROM vibe.runs r WHERE r.task_id = task.id AND r.branch <> ''
                              AND r.outcome = 'done' AND NOT r.superseded));
    IF stop.opened <> '{}' THEN
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (stop.opened);
    END IF;
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
           step = stop.next_step,
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
        waiting_for = excluded.waiting_for, run_id = NULL, priority = excluded.priority, attempts = 0, retries = 0,
        ready_at = NULL, since = excluded.since,
        -- What a person said to a step that had to wait for its branches is still said to it.
        note = CASE WHEN w.waiting_for = 'branches' AND w.step = excluded.step THEN w.note ELSE excluded.note END
    RETURNING w.task_id INTO placed;
    PERFORM vibe._tell_approval(task, '', step, NULL) WHERE waiting_for = 'approval';
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
        PERFORM vibe._tell_approval(task, run.branch, run.step, run.id);
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

CREATE FUNCTION vibe._has_open_branches(task_id bigint)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = _has_open_branches.task_id AND w.branch <> '');
END;
COMMENT ON FUNCTION vibe._has_open_branches(bigint) IS 'Whether a branch of the task is still to be done.';

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
    IF vibe._has_open_branches(task.id) THEN
        RETURN;
    END IF;
    SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    -- A main line that is not done but has no work was lost: the sweep gives it back.
    IF NOT FOUND AND task.step IS NULL THEN
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
