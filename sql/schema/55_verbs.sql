-- Verbs of whoever does a step, and of the person who looks after it. Each locks the task row first. A write by
-- token checks the token under that lock, so a run that lost its step changes nothing.

CREATE FUNCTION vibe._lock_lost(run_id bigint, why text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE LOG 'vibe_orchestrator: refused a write with a token that is not valid: run %, role %, %',
        coalesce(run_id::text, 'unknown'), vibe._actor(), why;
    RAISE EXCEPTION USING
        ERRCODE = 'VB011',
        MESSAGE = 'the lock of this token is lost',
        DETAIL = why,
        HINT = 'Stop working on this step: it belongs to another run now, or to none.';
END
$$;
COMMENT ON FUNCTION vibe._lock_lost(bigint, text) IS 'Raises VB011 and says so in the server log.';

CREATE FUNCTION vibe._holds_its_step(run vibe.runs)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.task_id IS NULL THEN
        RETURN EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id = run.id);
    END IF;
    RETURN (
        SELECT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = run.task_id AND w.branch = run.branch AND w.run_id = run.id));
END
$$;
COMMENT ON FUNCTION vibe._holds_its_step(vibe.runs) IS 'Whether a run still holds the step, or the chore, it was claimed for: what every write by a run depends on.';

-- The run that a caller writes for. With a token: the run of that token, open or done and still what counts; without
-- one (operators): the run that holds the step now.
CREATE FUNCTION vibe._run_of(task_id bigint, agent_name text, lock_token text, branch text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
BEGIN
    IF lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
        SELECT r.* INTO run FROM vibe.work w JOIN vibe.runs r ON r.id = w.run_id
         WHERE w.task_id = _run_of.task_id AND w.branch = _run_of.branch;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB013',
                MESSAGE = 'nobody holds this step',
                DETAIL = format('Task %s, branch %L has no live lock.', _run_of.task_id, _run_of.branch),
                HINT = format('SELECT * FROM vibe.acquire_lock(task_id => %s, agent_name => …, branch => %L) first.', _run_of.task_id, _run_of.branch);
        END IF;
    ELSE
        SELECT * INTO run FROM vibe.runs r
         WHERE r.task_id = _run_of.task_id AND r.token_hash = vibe._token_hash(_run_of.lock_token);
        IF NOT FOUND THEN
            PERFORM vibe._lock_lost(NULL, format('The token belongs to no run of task %s.', _run_of.task_id));
        ELSIF run.branch <> _run_of.branch THEN
            PERFORM vibe._lock_lost(run.id, format('The token belongs to branch %L.', run.branch));
        ELSIF run.closed_at IS NOT NULL AND (run.answer IS NULL OR run.superseded) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s%s.', run.id, run.outcome, run.closed_at,
                CASE WHEN run.superseded THEN ' and replaced by a revision' ELSE '' END));
        ELSIF run.closed_at IS NULL AND NOT vibe._holds_its_step(run) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
        END IF;
    END IF;
    IF run.agent_name IS DISTINCT FROM _run_of.agent_name THEN
        PERFORM vibe._wrong_agent(_run_of.agent_name, run.agent_name);
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_of(bigint, text, text, text) IS 'The run that a write is for. Raises VB011 (stale or foreign token), VB012 (another agent''s), VB013 (no live lock), VB060 (an agent without its token).';

CREATE FUNCTION vibe._wrong_agent(given text, right_one text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = given) THEN
        PERFORM vibe._agent_not_found(given);
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'VB012',
        MESSAGE = 'this step belongs to another agent',
        DETAIL = format('Agent "%s" called; the step is for "%s".', given, coalesce(right_one, 'a person')),
        HINT = 'SELECT vibe.get_task_pipeline_status(task_id) shows who does which step.';
END
$$;
COMMENT ON FUNCTION vibe._wrong_agent(text, text) IS 'Raises VB004 for an agent that is not there, else VB012.';

-- Inserts the run that holds a work row and makes the row held. The row is locked by the caller.
CREATE FUNCTION vibe._hold(item vibe.work, token text, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    INSERT INTO vibe.runs AS r (task_id, branch, campaign_id, step, attempt, revision, agent_name, model, started_by,
                                token_hash, claimed_at, started_at, renewed_at)
    SELECT item.task_id, item.branch, item.campaign_id, item.step, item.attempts + 1, t.revision_count, item.agent_name,
           coalesce(s.model, a.default_model), 'hand', vibe._token_hash(token), at, at, at
      FROM vibe.tasks t
      JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = item.branch AND s.step = item.step
      JOIN vibe.current_agents a ON a.name = item.agent_name
     WHERE t.id = item.task_id
    RETURNING r.* INTO STRICT run;
    UPDATE vibe.work w SET state = 'held', waiting_for = NULL, ready_at = NULL, run_id = run.id, since = at
     WHERE w.task_id = item.task_id AND w.branch = item.branch;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._hold(vibe.work, text, timestamptz) IS 'Opens a hand-held run for a work row.';

-- Why a work row cannot be taken by hand now; NULL when it can. Not an error: a rival simply comes second.
CREATE FUNCTION vibe._why_not(task vibe.tasks, item vibe.work, holder vibe.runs, at timestamptz)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN task.ended_at IS NOT NULL THEN 'task_' || task.status
        WHEN (SELECT c.status NOT IN ('active', 'in_revision') FROM vibe.campaigns c WHERE c.id = task.campaign_id)
            THEN 'campaign_' || (SELECT c.status FROM vibe.campaigns c WHERE c.id = task.campaign_id)
        WHEN item.task_id IS NULL THEN 'branch_not_open'
        WHEN item.state = 'held' AND (holder.started_by <> 'hand' OR holder.renewed_at + vibe._setting('lock_steal_after') > at)
            THEN 'locked'
        WHEN item.waiting_for = 'back_off' AND item.ready_at > at THEN 'waiting_for_back_off'
        WHEN item.waiting_for <> 'back_off' THEN 'waiting_for_' || item.waiting_for
        WHEN item.state <> 'held' AND EXISTS (
            SELECT 1 FROM vibe.runs r WHERE r.task_id = item.task_id AND r.branch = item.branch AND r.ended_at IS NULL)
            THEN 'previous_process_ending'
    END;
END;
COMMENT ON FUNCTION vibe._why_not(vibe.tasks, vibe.work, vibe.runs, timestamptz) IS 'The reason why a step cannot be taken by hand, NULL when it can.';

CREATE FUNCTION vibe.acquire_lock(task_id bigint, agent_name text, branch text DEFAULT '')
    RETURNS TABLE (acquired boolean, reason text, locked_by text, run_id bigint, lock_token text, lease_expires_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(acquire_lock.task_id);
    item vibe.work;
    holder vibe.runs;
    run vibe.runs;
    token text := vibe._new_token();
BEGIN
    -- FOR UPDATE: the dispatcher's claim takes work rows without the task's lock.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(acquire_lock.branch, '') FOR UPDATE;
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    reason := vibe._why_not(task, item, holder, at);
    IF reason IS NOT NULL THEN
        acquired := false;
        locked_by := holder.agent_name;
        lease_expires_at := holder.renewed_at + vibe._setting('lease_duration');
        RETURN NEXT;
        RETURN;
    END IF;
    IF item.agent_name IS DISTINCT FROM acquire_lock.agent_name THEN
        PERFORM vibe._wrong_agent(acquire_lock.agent_name, item.agent_name);
    END IF;
    IF item.state = 'held' THEN
        PERFORM vibe._close_run(holder.id, 'lost', 'its lease ran out and the step was taken over', at);
    END IF;
    run := vibe._hold(item, token, at);
    RETURN QUERY SELECT true, NULL::text, run.agent_name, run.id, token, run.renewed_at + vibe._setting('lease_duration');
END
$$;
COMMENT ON FUNCTION vibe.acquire_lock(bigint, text, text) IS 'Takes a step by hand: the token in lock_token is shown once and fences every write. A rival, also one of the same agent name, gets acquired = false with the reason and the holder; a lease not renewed for vibe_orchestrator.lock_steal_after is taken over and its token is dead. Locks the task row. Raises VB003 (task), VB004 (agent), VB012 (another agent''s step), VB022.';

CREATE FUNCTION vibe._run_not_found(run_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB006',
        MESSAGE = 'run not found',
        DETAIL = format('There is no run with id %s.', coalesce(run_id::text, 'NULL')),
        HINT = 'acquire_lock() returns the id of a run; SELECT * FROM vibe.now shows what runs.';
END
$$;
COMMENT ON FUNCTION vibe._run_not_found(bigint) IS 'Raises VB006.';

CREATE FUNCTION vibe._run_by_token(run_id bigint, lock_token text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _run_by_token.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(_run_by_token.run_id);
    ELSIF lock_token IS NULL OR run.token_hash <> vibe._token_hash(lock_token) THEN
        PERFORM vibe._lock_lost(run.id, 'The token is not the one of this run.');
    END IF;
    IF run.task_id IS NULL THEN
        PERFORM vibe._lock_chore(run.id);
    ELSE
        PERFORM vibe._lock_task(run.task_id);
    END IF;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _run_by_token.run_id;
    IF run.closed_at IS NOT NULL THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
    ELSIF NOT vibe._holds_its_step(run) THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_by_token(bigint, text) IS 'The open run of that id and token, its task, or its chore, locked. Raises VB006, VB011.';

CREATE FUNCTION vibe.renew_lock(run_id bigint, lock_token text)
    RETURNS TABLE (renewed boolean, lease_expires_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs := vibe._run_by_token(renew_lock.run_id, renew_lock.lock_token);
BEGIN
    IF run.started_by = 'hand' THEN
        UPDATE vibe.runs r SET renewed_at = at WHERE r.id = run.id RETURNING r.renewed_at INTO run.renewed_at;
    END IF;
    RETURN QUERY SELECT run.started_by = 'hand', run.renewed_at + vibe._setting('lease_duration');
END
$$;
COMMENT ON FUNCTION vibe.renew_lock(bigint, text) IS 'Heartbeat of a hand-held run: its lease begins anew. A dispatched run has none (lease_expires_at NULL) and is not written. Locks the task row. Raises VB006, VB011, VB022.';

CREATE FUNCTION vibe.release_lock(task_id bigint, agent_name text, lock_token text, branch text DEFAULT '')
    RETURNS TABLE (released boolean, run_id bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(release_lock.task_id);
    run vibe.runs := vibe._run_of(task.id, release_lock.agent_name, release_lock.lock_token, coalesce(release_lock.branch, ''));
BEGIN
    IF run.closed_at IS NOT NULL THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
    END IF;
    PERFORM vibe._put_back(ARRAY[run.id], 'released by its holder', at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT true, run.id;
END
$$;
COMMENT ON FUNCTION vibe.release_lock(bigint, text, text, text) IS 'Gives a step back: it is ready again, no attempt is used. Only its holder may; an operator may leave the token out (NULL). Locks the task row. Raises VB003, VB011, VB012, VB013, VB022, VB060 (an agent without its token).';

CREATE FUNCTION vibe._check_result(quality_score numeric, output_path text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (quality_score BETWEEN 0 AND 100) THEN
        PERFORM vibe._invalid_argument('quality_score', quality_score::text, 'Use 0 to 100, or NULL.');
    ELSIF length(output_path) > 4000 OR output_path ~ '^/|(^|/)\.\.(/|$)|[\x01-\x1f]' THEN
        PERFORM vibe._invalid_argument('output_path', output_path, 'Use a path relative to the workspace, without "..".');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_result(numeric, text) IS 'Raises VB030 for a score outside 0 to 100 or a path that leaves the workspace.';

-- Tables written: work, tasks, runs, campaigns, activities. Locks, in order: the task row (by the caller), at the
-- task's end the campaign row. record is the end of its process, where that is what completes it.
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
    verdict vibe.runs;
BEGIN
    PERFORM vibe._check_result(_complete.quality_score, _complete.output_path);
    SELECT * INTO moved FROM vibe._advance(task, run, _complete.quality_score, at);
    verdict.outcome := 'done';
    verdict.answer := jsonb_build_object('next_step', moved.next_step, 'next_agent', moved.next_agent,
        'task_status', moved.task_status, 'task_completed', moved.task_completed);
    verdict.output := _complete.output;
    verdict.output_path := _complete.output_path;
    verdict.quality_score := _complete.quality_score;
    verdict.summary := _complete.summary;
    PERFORM vibe._end_run(run.id, verdict, _complete.record, at);
    PERFORM vibe._notify('step_advanced', format('Step %s of task "%s" is done.', run.step, left(task.title, 200)),
        verdict.answer, task.project_id, task.campaign_id, task.id, run.id);
    IF moved.task_completed THEN
        PERFORM vibe._finish_campaign(run.campaign_id, at);
    END IF;
    RETURN verdict.answer;
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
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(complete_step.task_id);
    run vibe.runs := vibe._run_of(task.id, complete_step.agent_name, complete_step.lock_token, coalesce(complete_step.branch, ''));
    reply jsonb := run.answer;
BEGIN
    IF reply IS NULL THEN
        reply := vibe._complete(task, run, complete_step.output, complete_step.quality_score,
            complete_step.output_path, complete_step.summary, NULL, at);
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
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, retry_step.branch, NULL, 'Only a branch that is open can be retried.');
    ELSIF item.state = 'held' THEN
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
            HINT = CASE item.waiting_for WHEN 'approval' THEN format('SELECT * FROM vibe.approve_step(task_id => %s);', task.id)
                ELSE 'It goes on when its branches are done.' END;
    END IF;
    UPDATE vibe.work w
       SET state = 'ready', waiting_for = NULL, ready_at = NULL, attempts = 0, retries = 0, since = at,
           note = coalesce(retry_step.note, w.note)
     WHERE w.task_id = task.id AND w.branch = item.branch;
    IF task.status = 'blocked' AND item.branch = '' THEN
        UPDATE vibe.tasks t
           SET status = CASE WHEN task.rejection_notes IS NULL THEN vibe._earned_status(task) ELSE 'revision_needed' END,
               updated_at = at
         WHERE t.id = task.id
        RETURNING t.status INTO task.status;
    END IF;
    PERFORM vibe._record('step_retried', format('Step %s of task "%s" is tried again.', item.step, left(task.title, 200)),
        jsonb_build_object('branch', item.branch, 'step', item.step, 'note', retry_step.note), task.project_id, task.campaign_id, task.id);
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT item.step, item.agent_name, task.status;
END
$$;
COMMENT ON FUNCTION vibe.retry_step(bigint, text, text) IS 'Makes a step that waits for a person or for its back-off ready now, with fresh attempts; the note reaches its next run. Locks the task row. Raises VB003, VB007, VB010 (being done), VB020 (waits for something else), VB022.';

CREATE FUNCTION vibe.approve_step(task_id bigint, run_id bigint DEFAULT NULL, branch text DEFAULT '', note text DEFAULT NULL)
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
    IF item.waiting_for IS DISTINCT FROM 'approval' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the step does not wait for approval',
            DETAIL = format('Task %s, branch %L is %s.', task.id, approve_step.branch,
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
COMMENT ON FUNCTION vibe.approve_step(bigint, bigint, text, text) IS 'Opens a human gate. run_id names the result that is approved: an older one is refused. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB011 (older revision), VB020 (no gate waits), VB022.';

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

CREATE FUNCTION vibe.request_revision(
    task_id bigint, notes text, target_step integer DEFAULT NULL, branch text DEFAULT '',
    agent_name text DEFAULT NULL, lock_token text DEFAULT NULL
)
    RETURNS TABLE (next_step integer, next_agent text, revision_count integer, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
    run vibe.runs;
    from_step integer;
    target integer;
    rewound record;
BEGIN
    IF btrim(coalesce(request_revision.notes, '')) = '' THEN
        PERFORM vibe._invalid_argument('notes', request_revision.notes, 'Say what is to be done better.');
    ELSIF coalesce(request_revision.branch, '') <> '' THEN
        PERFORM vibe._invalid_argument('branch', request_revision.branch, 'Only the main line goes back to an earlier step; use branch => ''''.');
    END IF;
    IF request_revision.lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
    END IF;
    task := vibe._lock_task(request_revision.task_id);
    IF request_revision.lock_token IS NOT NULL THEN
        run := vibe._run_of(task.id, request_revision.agent_name, request_revision.lock_token, '');
        IF run.closed_at IS NOT NULL THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
        END IF;
    END IF;
    PERFORM vibe._check_revisable(task);
    from_step := coalesce(run.step, task.step,
        (SELECT max(s.step) + 1 FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ''));
    -- The step that the task is at is itself done where its gate waits, or where only branches are left.
    IF run.id IS NULL AND task.step IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' AND w.waiting_for IS DISTINCT FROM 'approval') THEN
        from_step := from_step + 1;
    END IF;
    target := vibe._revision_target(task, from_step, request_revision.target_step);
    rewound := vibe._revise(task, run, target, request_revision.notes, NULL, NULL, NULL, at);
    -- Reopening a task and ending its campaign exclude each other: whoever comes second sees the other.
    IF task.ended_at IS NOT NULL AND task.campaign_id IS NOT NULL THEN
        PERFORM vibe._lock_campaign(task.campaign_id);
        PERFORM vibe._check_revisable(task);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT target, rewound.agent_name, rewound.revisions,
        CASE WHEN rewound.is_blocked THEN 'blocked' ELSE 'revision_needed' END;
END
$$;
COMMENT ON FUNCTION vibe.request_revision(bigint, text, integer, text, text, text) IS 'Sends a task back to an earlier step with notes: what was made from there on is superseded, what runs there is stopped, the round is counted, and over the campaign''s max_revisions the task is blocked for a person. An agent gives its token, an operator none; without target_step the nearest earlier step with an agent. Locks the task row. Raises VB003, VB007, VB011, VB012, VB020 (cancelled), VB021 (campaign ended), VB022, VB030, VB060 (an agent without its token).';

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
    task vibe.tasks, run vibe.runs, target_step integer, notes text, summary text, score numeric,
    record jsonb, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    verdict vibe.runs;
BEGIN
    SELECT * INTO agent_name, revisions, is_blocked FROM vibe._rewind(task, target_step, notes, run.id, at);
    verdict.outcome := 'revise';
    verdict.notes := _revise.notes;
    verdict.summary := _revise.summary;
    verdict.quality_score := _revise.score;
    verdict.superseded := true;
    PERFORM vibe._end_run(run.id, verdict, _revise.record, at);
END
$$;
COMMENT ON FUNCTION vibe._revise(vibe.tasks, vibe.runs, integer, text, text, numeric, jsonb, timestamptz) IS 'Closes the reviewer''s run, if there is one, and rewinds the task.';

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
