-- Locks: who holds a step, and the token that fences what a holder writes. Each verb locks the task row first. A
-- write by token checks the token under that lock, so a run that lost its step changes nothing.

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
    found_run record;
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
        SELECT r AS run, EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id) AS holds
          INTO found_run
          FROM vibe.runs r
         WHERE r.task_id = _run_of.task_id AND r.token_hash = vibe._token_hash(_run_of.lock_token);
        run := found_run.run;
        IF run.id IS NULL THEN
            PERFORM vibe._lock_lost(NULL, format('The token belongs to no run of task %s.', _run_of.task_id));
        ELSIF run.branch <> _run_of.branch THEN
            PERFORM vibe._lock_lost(run.id, format('The token belongs to branch %L.', run.branch));
        ELSIF run.closed_at IS NOT NULL AND (run.answer IS NULL OR run.superseded) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s%s.', run.id, run.outcome, run.closed_at,
                CASE WHEN run.superseded THEN ' and replaced by a revision' ELSE '' END));
        ELSIF run.closed_at IS NULL AND NOT found_run.holds THEN
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
    candidate vibe._candidate;
BEGIN
    -- FOR UPDATE: the dispatcher's claim takes work rows without the task's lock.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(acquire_lock.branch, '') FOR UPDATE;
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    reason := vibe._why_not(task, item, holder, at);
    candidate := vibe._candidate_by_hand(item);
    IF reason IS NULL AND item.agent_name IS DISTINCT FROM acquire_lock.agent_name THEN
        PERFORM vibe._wrong_agent(acquire_lock.agent_name, item.agent_name);
    ELSIF reason IS NULL AND item.state <> 'held'
        -- Whoever takes a step over also takes the place that its holder has in every limit.
        AND vibe._within_limits(ARRAY[candidate], at) = '{}' THEN
        reason := 'limit_reached';
    END IF;
    IF reason IS NOT NULL THEN
        acquired := false;
        locked_by := holder.agent_name;
        lease_expires_at := holder.renewed_at + vibe._setting('lease_duration');
        RETURN NEXT;
        RETURN;
    END IF;
    IF item.state = 'held' THEN
        PERFORM vibe._close_run(holder.id, 'lost', 'its lease ran out and the step was taken over', at);
    END IF;
    RETURN QUERY
        SELECT true, NULL::text, (o.run).agent_name, (o.run).id, o.token, (o.run).renewed_at + vibe._setting('lease_duration')
          FROM vibe._open_runs(ARRAY[(item, NULL, NULL, candidate.reserve_usd)::vibe._taken], at) o;
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
