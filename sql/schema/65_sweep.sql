-- The safety net. sweep() puts right what a dead holder, a dead dispatcher or a lost row left behind. It is
-- idempotent, and safe at any time from anywhere: the row lock of vibe.sweep_state keeps a second one out.

CREATE FUNCTION vibe.find_stale_locks(older_than interval DEFAULT NULL)
    RETURNS TABLE (run_id bigint, task_id bigint, branch text, agent_name text, renewed_at timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT r.id, r.task_id, r.branch, r.agent_name, r.renewed_at
      FROM vibe.runs r
     WHERE r.started_by = 'hand' AND r.closed_at IS NULL
       AND vibe.clock() - r.renewed_at >= coalesce(older_than, vibe._setting('stale_lock_after'))
     ORDER BY r.renewed_at;
END;
COMMENT ON FUNCTION vibe.find_stale_locks(interval) IS 'Hand-held locks that were not renewed for so long (vibe_orchestrator.stale_lock_after, 30 min, by default). A dispatched run has no lease and is never among them.';

CREATE FUNCTION vibe.find_orphaned_tasks()
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.campaign_id, t.step, t.status
      FROM vibe.tasks t
     WHERE t.ended_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = t.id AND w.branch = '')
       AND (t.step IS NOT NULL OR NOT vibe._has_open_branches(t.id))
     ORDER BY t.id;
END;
COMMENT ON FUNCTION vibe.find_orphaned_tasks() IS 'Open tasks whose main line is not done but has no work, or that have no work at all: nothing would ever move them.';

-- Tables written: work, runs. Locks, in order: the tasks, ids ascending (those that are busy are left for the
-- next sweep).
CREATE FUNCTION vibe._free_stale_locks(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
    stale bigint[];
BEGIN
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id IN (SELECT l.task_id FROM vibe.find_stale_locks() l)
        ORDER BY t.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    stale := ARRAY(SELECT l.run_id FROM vibe.find_stale_locks() l WHERE l.task_id = ANY (locked));
    PERFORM vibe._free_work(stale, at);
    PERFORM vibe._close_run(i, 'lost', 'its holder did not renew its lease', at) FROM unnest(stale) i;
    RETURN cardinality(stale);
END
$$;
COMMENT ON FUNCTION vibe._free_stale_locks(timestamptz) IS 'Ends hand-held runs whose lease was not renewed; their steps are ready again.';

-- The dispatcher's own death is no reason to touch its runs: their processes live on and the next dispatcher
-- adopts them. Only when there was none for longer than their supervisors wait are they gone. A copy of the
-- database (foreign home) knows nothing about processes elsewhere and leaves that to take_over().
CREATE FUNCTION vibe._free_dispatched_runs(gone_since timestamptz, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF gone_since + vibe._setting('orphan_grace') + interval '10 seconds' > at
       OR NOT vibe._is_home() THEN
        RETURN 0;
    END IF;
    RETURN vibe._lose_dispatched_runs('there was no dispatcher for longer than orphan_grace', true, at);
END
$$;
COMMENT ON FUNCTION vibe._free_dispatched_runs(timestamptz, timestamptz) IS 'Loses the runs of a dispatcher that stayed away for longer than orphan_grace and the time its supervisors need to end their agents.';

-- Tables written: work, tasks. Locks, in order: the tasks, ids ascending.
CREATE FUNCTION vibe._requeue_orphans(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
    requeued bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.id IN (SELECT o.task_id FROM vibe.find_orphaned_tasks() o LIMIT 1000)
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- Looked at again under the lock: a verb may have just given it work, or ended it.
        CONTINUE WHEN task.ended_at IS NOT NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '')
            OR task.step IS NULL AND vibe._has_open_branches(task.id);
        PERFORM vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        PERFORM vibe._restore_main_line(task, at);
        PERFORM vibe._record('orphan_requeued', format('Task "%s" had no work and was queued again.', left(task.title, 200)),
            jsonb_build_object('step', task.step), task.project_id, task.campaign_id, task.id);
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END
$$;
COMMENT ON FUNCTION vibe._requeue_orphans(timestamptz) IS 'Gives open tasks whose main line has no work their step back, 1000 at most.';

-- Tables written: campaigns, activities. Locks: campaign rows, of which those that are busy are left for the next
-- sweep.
CREATE FUNCTION vibe._finish_campaigns(at timestamptz)
    RETURNS bigint
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.id, at))
      FROM (SELECT c.id FROM vibe.campaigns c
             WHERE c.ended_at IS NULL AND c.status IN ('active', 'paused')
               -- One that was reopened waits for the revisions that somebody is about to ask for.
               AND c.paused_from IS DISTINCT FROM 'in_revision'
               AND EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id)
               AND NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at IS NULL)
             ORDER BY c.id
               FOR NO KEY UPDATE SKIP LOCKED) c;
END;
COMMENT ON FUNCTION vibe._finish_campaigns(timestamptz) IS 'Marks campaigns completed that have tasks but none open.';

CREATE FUNCTION vibe.sweep()
    RETURNS TABLE (swept boolean, stale_locks_released bigint, dispatched_runs_lost bigint, back_offs_ended bigint,
                   orphans_dispatched bigint, campaigns_completed bigint, branches_mended bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    gone_since timestamptz;
BEGIN
    SELECT s.dispatcher_gone_since INTO gone_since FROM vibe.sweep_state s FOR UPDATE SKIP LOCKED;
    swept := FOUND;
    stale_locks_released := 0;
    dispatched_runs_lost := 0;
    back_offs_ended := 0;
    orphans_dispatched := 0;
    campaigns_completed := 0;
    branches_mended := 0;
    IF swept THEN
        gone_since := CASE WHEN vibe._dispatcher_pid() IS NULL THEN coalesce(gone_since, at) END;
        stale_locks_released := vibe._free_stale_locks(at);
        IF gone_since IS NOT NULL THEN
            dispatched_runs_lost := vibe._free_dispatched_runs(gone_since, at);
        END IF;
        back_offs_ended := vibe._promote_due();
        orphans_dispatched := vibe._requeue_orphans(at);
        branches_mended := vibe._mend_branches(at);
        campaigns_completed := vibe._finish_campaigns(at);
        PERFORM vibe._prune_notifications(at), vibe._prune_service_calls(at);
        UPDATE vibe.sweep_state s SET swept_at = at, dispatcher_gone_since = gone_since;
        IF stale_locks_released + dispatched_runs_lost + back_offs_ended + orphans_dispatched + branches_mended > 0 THEN
            PERFORM vibe._wake(true);
        END IF;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.sweep() IS 'Puts right what was left behind and counts it: hand-held locks not renewed, runs of a dispatcher that stayed away, back-offs that are over, open tasks without work, branches that are due and lost (branches_mended counts their tasks; a cancelled branch stays so), finished campaigns not marked. swept is false if another sweep was at it. Raises VB022.';

-- The job guards itself: it outlives DROP EXTENSION without an error a minute.
CREATE FUNCTION vibe._cron_command()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $command$DO $$BEGIN IF to_regprocedure('vibe.sweep()') IS NOT NULL THEN PERFORM vibe.sweep(); END IF; END$$$command$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe._cron_command() IS 'The sweep as a pg_cron job.';

CREATE FUNCTION vibe._cron_job_name()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'vibe_sweep_' || current_database();
END;
COMMENT ON FUNCTION vibe._cron_job_name() IS 'Name of this database''s pg_cron job.';

-- pg_cron lives in one database of the server and is no requirement of ours, so its functions are looked up when
-- they are needed.
CREATE FUNCTION vibe.enable_cron(schedule text DEFAULT '*/10 * * * *')
    RETURNS TABLE (scheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF btrim(coalesce(enable_cron.schedule, '')) = '' THEN
        PERFORM vibe._invalid_argument('schedule', enable_cron.schedule, 'Use five cron fields, such as */10 * * * *.');
    END IF;
    job_name := vibe._cron_job_name();
    scheduled := to_regprocedure('cron.schedule(text,text,text)') IS NOT NULL;
    IF scheduled THEN
        statement := format('SELECT cron.schedule(%L, %L, %L);', job_name, enable_cron.schedule, vibe._cron_command());
        EXECUTE statement;
    ELSE
        statement := format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', job_name, enable_cron.schedule,
            vibe._cron_command(), current_database());
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.enable_cron(text) IS 'Schedules the sweep with pg_cron. In pg_cron''s own database it does so (scheduled = true); elsewhere statement is what to run there. Raises VB030, and pg_cron''s error for a schedule that it cannot read.';

CREATE FUNCTION vibe.disable_cron()
    RETURNS TABLE (unscheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    known boolean;
BEGIN
    job_name := vibe._cron_job_name();
    statement := format('SELECT cron.unschedule(%L);', job_name);
    unscheduled := false;
    IF to_regprocedure('cron.unschedule(text)') IS NOT NULL OR to_regprocedure('cron.unschedule(name)') IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM cron.job j WHERE j.jobname = $1)' INTO known USING job_name;
        IF known THEN
            EXECUTE statement;
            unscheduled := true;
        END IF;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.disable_cron() IS 'Takes the sweep out of pg_cron. In pg_cron''s own database it does so (unscheduled tells whether there was a job); elsewhere statement is what to run there.';
