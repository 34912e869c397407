-- The verbs of whoever judges a result: it is good, or it goes back with notes.

CREATE FUNCTION vibe.approve_step(
    task_id bigint, run_id bigint DEFAULT NULL, branch text DEFAULT '', note text DEFAULT NULL, step integer DEFAULT NULL
)
    RETURNS TABLE (next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(approve_step.task_id);
    item vibe.work;
    latest bigint;
    moved record;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(approve_step.branch, '');
    IF item.waiting_for IS DISTINCT FROM 'approval' OR item.step <> approve_step.step THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the step does not wait for approval',
            DETAIL = format('Task %s, branch %L is at step %s, %s.', task.id, coalesce(approve_step.branch, ''), coalesce(item.step::text, 'none'),
                            coalesce('waiting for ' || item.waiting_for, item.state, task.status)),
            HINT = 'SELECT vibe.get_task_pipeline_status(task_id) shows where it stands.';
    END IF;
    SELECT max(r.id) INTO latest FROM vibe.runs r
     WHERE r.task_id = task.id AND r.branch = item.branch AND r.step = item.step AND r.outcome = 'done' AND NOT r.superseded;
    IF approve_step.run_id IS DISTINCT FROM latest AND approve_step.run_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB011',
            MESSAGE = 'this approval is for an older revision',
            DETAIL = format('Run %s was approved; the step''s result is that of run %s.', approve_step.run_id, coalesce(latest::text, 'none')),
            HINT = 'Look at the newer result and approve that.';
    END IF;
    IF item.branch = '' THEN
        SELECT * INTO moved FROM vibe._move_on(task, item.step, NULL, NULL, at);
        UPDATE vibe.work w SET note = approve_step.note WHERE w.task_id = task.id AND w.branch = '' AND approve_step.note IS NOT NULL;
    ELSE
        SELECT * INTO moved FROM vibe._close_branch(task, item.branch, at);
    END IF;
    PERFORM vibe._record('step_approved', format('Step %s of task "%s" was approved.', item.step, left(task.title, 200)),
        jsonb_build_object('branch', item.branch, 'step', item.step, 'run_id', latest, 'note', approve_step.note),
        task.project_id, task.campaign_id, task.id);
    IF moved.task_completed THEN
        PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT moved.next_step, moved.next_agent, moved.task_status, moved.task_completed;
END
$$;
COMMENT ON FUNCTION vibe.approve_step(bigint, bigint, text, text, integer) IS 'Opens a human gate; the note reaches the next main step. run_id names the result that is approved: an older one is refused. step names the gate, also one without an agent, so that two approvals of one gate never open the next one too. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB011 (older revision), VB020 (that gate does not wait), VB022.';

CREATE FUNCTION vibe._revision_target(task vibe.tasks, from_step integer, target_step integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_step integer;
BEGIN
    SELECT max(s.step) INTO found_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.agent_name IS NOT NULL
       AND s.step < from_step AND s.step = coalesce(target_step, s.step);
    IF found_step IS NULL THEN
        PERFORM vibe._step_not_found(task.id, '', coalesce(target_step, from_step),
            format('Name an earlier step than %s that has an agent.', from_step));
    END IF;
    RETURN found_step;
END
$$;
COMMENT ON FUNCTION vibe._revision_target(vibe.tasks, integer, integer) IS 'The earlier step that a revision goes back to; without one given, the nearest with an agent. Raises VB007.';

CREATE FUNCTION vibe._revision_limit(task vibe.tasks, run vibe.runs, branch text)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step_limit integer := run.step;
    branch_step vibe.pipeline_steps;
BEGIN
    IF branch <> '' OR run.id IS NULL THEN
        step_limit := coalesce(task.step, (SELECT max(s.step) + 1 FROM vibe.pipeline_steps s
            WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ''));
        -- Where its gate waits, the step that the task is at is itself done.
        step_limit := step_limit + EXISTS (
            SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' AND w.waiting_for = 'approval')::integer;
    END IF;
    IF branch <> '' THEN
        branch_step := vibe._branch_step(task, branch);
        step_limit := least(step_limit, branch_step.trigger_after_step + 1);
    END IF;
    RETURN step_limit;
END
$$;
COMMENT ON FUNCTION vibe._revision_limit(vibe.tasks, vibe.runs, text) IS 'The main step before which the target of a revision must be: where the run or the task is; for a branch not behind its trigger. Raises VB007.';

CREATE FUNCTION vibe.request_revision(
    task_id bigint, notes text, target_step integer DEFAULT NULL, branch text DEFAULT '',
    agent_name text DEFAULT NULL, lock_token text DEFAULT NULL, rerun_branches boolean DEFAULT false
)
    RETURNS TABLE (next_step integer, next_agent text, revision_count integer, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    asked_of text := coalesce(request_revision.branch, '');
    task vibe.tasks;
    run vibe.runs;
    rewound record;
BEGIN
    IF btrim(coalesce(request_revision.notes, '')) = '' THEN
        PERFORM vibe._invalid_argument('notes', request_revision.notes, 'Say what is to be done better.');
    ELSIF request_revision.lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
    END IF;
    task := vibe._lock_task(request_revision.task_id);
    IF request_revision.lock_token IS NOT NULL THEN
        run := vibe._run_of(task.id, request_revision.agent_name, request_revision.lock_token, asked_of);
        IF run.closed_at IS NOT NULL THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
        END IF;
    END IF;
    PERFORM vibe._check_revisable(task);
    IF asked_of <> '' AND run.id IS NULL AND request_revision.target_step IS NULL THEN
        next_step := 0;
        rewound := vibe._send_back_branch(task, asked_of, request_revision.notes, at);
    ELSE
        next_step := vibe._revision_target(task, vibe._revision_limit(task, run, asked_of), request_revision.target_step);
        rewound := vibe._revise(task, run, next_step, request_revision.notes, coalesce(request_revision.rerun_branches, false),
            NULL, NULL, NULL, at);
    END IF;
    -- Reopening a task and ending its campaign exclude each other: whoever comes second sees the other.
    IF task.ended_at IS NOT NULL AND task.campaign_id IS NOT NULL THEN
        PERFORM vibe._lock_campaign(task.campaign_id);
        PERFORM vibe._check_revisable(task);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT next_step, rewound.agent_name, t.revision_count, t.status FROM vibe.tasks t WHERE t.id = task.id;
END
$$;
COMMENT ON FUNCTION vibe.request_revision(bigint, text, integer, text, text, text, boolean) IS 'Sends a task back to an earlier step with notes: what was made from there on is superseded, what runs there is stopped, the round is counted, and over the campaign''s max_revisions the task is blocked for a person. An agent gives its token, an operator none; without target_step the nearest earlier step with an agent. Branches triggered there that are done stay so unless rerun_branches, which gives them the notes too; those not done open again with their trigger. With branch, target_step is a main step up to its trigger; an operator who names a branch and no target_step sends that branch alone back (next_step 0): it runs again with the notes, also where it was cancelled or its task is completed, and a converging step that has not begun waits for it. Locks the task row, of a completed task also the campaign row. Raises VB003, VB007, VB011, VB012, VB020 (cancelled, a branch that has made nothing), VB021 (campaign ended), VB022, VB030, VB060 (an agent without its token).';

CREATE FUNCTION vibe._check_revisable(task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF task.status = 'cancelled' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is cancelled', task.id),
            DETAIL = format('Task "%s" was cancelled at %s.', left(task.title, 200), task.ended_at),
            HINT = 'A cancelled task stays so; create another one.';
    END IF;
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = task.campaign_id;
    IF campaign.ended_at IS NOT NULL THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_revisable(vibe.tasks) IS 'Raises VB020 for a cancelled task, VB021 for one whose campaign has ended.';

-- Tables written: runs, work, tasks, activities. run is the reviewer's own run, or all NULL.
CREATE FUNCTION vibe._revise(
    task vibe.tasks, run vibe.runs, target_step integer, notes text, rerun_branches boolean, summary text, score numeric,
    record jsonb, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO agent_name, revisions, is_blocked FROM vibe._rewind(task, target_step, notes, rerun_branches, run.id, at);
    PERFORM 1 FROM vibe._end_runs(ARRAY[(run.id, 'revise', NULL, NULL, _revise.summary, NULL, NULL,
        _revise.score, _revise.notes, true, _revise.record)::vibe._run_end], at);
END
$$;
COMMENT ON FUNCTION vibe._revise(vibe.tasks, vibe.runs, integer, text, boolean, text, numeric, jsonb, timestamptz) IS 'Closes the reviewer''s run, if there is one, and rewinds the task.';
