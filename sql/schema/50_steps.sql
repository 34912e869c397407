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
    task_completed := stop.next_step IS NULL AND under_way = '{}' AND stop.opened = '{}';
    next_step := stop.next_step;
    next_agent := stop.next_agent;
    task_status := vibe._move_to(task, next_step, next_agent, stop.waiting_for, task_completed, new_status, score, at);
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
BEGIN
    UPDATE vibe.work w
       SET step = _set_main_line.step, agent_name = _set_main_line.agent_name, run_id = NULL, attempts = 0, retries = 0, ready_at = NULL, since = at,
           state = CASE WHEN _set_main_line.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for = _set_main_line.waiting_for,
           priority = vibe._priority_rank(task.priority),
           -- What a person said to a step that had to wait for its branches is still said to it.
           note = CASE WHEN w.waiting_for = 'branches' AND w.step = _set_main_line.step THEN w.note ELSE _set_main_line.note END
     WHERE w.task_id = task.id AND w.branch = '';
    IF NOT FOUND THEN
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
        VALUES (task.id, '', coalesce(task.campaign_id, 0), step, agent_name, CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for,
                vibe._priority_rank(task.priority), at, note);
    END IF;
    IF waiting_for = 'approval' THEN
        PERFORM vibe._tell_approval(task, '', step, NULL);
    END IF;
    RETURN task.id;
END
$$;
COMMENT ON FUNCTION vibe._set_main_line(vibe.tasks, integer, text, text, text, timestamptz) IS 'Puts the main line of a task at a step, ready or waiting, with fresh counts.';

-- Tables written: work, tasks.
CREATE FUNCTION vibe._move_to(
    task vibe.tasks, next_step integer, next_agent text, waiting_for text, ends boolean, new_status text, score numeric, at timestamptz
)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reached text := CASE WHEN ends THEN 'completed' ELSE coalesce(new_status, task.status) END;
BEGIN
    IF next_step IS NULL THEN
        DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    ELSE
        PERFORM vibe._set_main_line(task, next_step, next_agent, waiting_for, NULL, at);
    END IF;
    UPDATE vibe.tasks t
       SET status = reached,
           step = next_step,
           quality_score = coalesce(score, t.quality_score),
           rejection_notes = CASE WHEN reached = 'revision_needed' THEN t.rejection_notes END,
           ended_at = CASE WHEN ends THEN at END,
           updated_at = at
     WHERE t.id = task.id;
    RETURN reached;
END
$$;
COMMENT ON FUNCTION vibe._move_to(vibe.tasks, integer, text, text, boolean, text, numeric, timestamptz) IS 'Puts a task at a main step, or behind its last one (next_step NULL), or ends it; returns its status.';

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
    here record;
    new_status text;
BEGIN
    -- One query for all that a line without branches needs: this is done at the end of every step.
    SELECT s.gate, o.status, following.step AS next_step, following.agent_name AS next_agent,
           NOT EXISTS (SELECT 1 FROM vibe.pipeline_steps b WHERE b.pipeline_version_id = s.pipeline_version_id AND b.branch > '') AS is_plain
      INTO STRICT here
      FROM vibe.pipeline_steps s
      LEFT JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
      LEFT JOIN LATERAL (
        SELECT f.step, f.agent_name FROM vibe.pipeline_steps f
         WHERE f.pipeline_version_id = s.pipeline_version_id AND f.branch = '' AND f.step > s.step
         ORDER BY f.step LIMIT 1) following ON true
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    IF here.gate = 'human' THEN
        UPDATE vibe.work w SET state = 'waiting', waiting_for = 'approval', run_id = NULL, attempts = 0, retries = 0, since = at
         WHERE w.task_id = task.id AND w.branch = run.branch;
        PERFORM vibe._tell_approval(task, run.branch, run.step, run.id);
    END IF;
    IF run.branch = '' THEN
        new_status := coalesce(here.status, CASE WHEN task.status IN ('revision_needed', 'blocked') THEN vibe._earned_status(task) END);
        IF here.gate IS NULL AND here.is_plain AND (here.next_agent IS NOT NULL OR here.next_step IS NULL) THEN
            next_step := here.next_step;
            next_agent := here.next_agent;
            task_completed := next_step IS NULL;
            task_status := vibe._move_to(task, next_step, next_agent, NULL, task_completed, new_status, score, at);
            RETURN;
        ELSIF here.gate IS NULL THEN
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
    IF here.gate IS NULL THEN
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
