-- What sweep() puts right: what a dead holder, a dead dispatcher or a lost row left behind. Each function does a
-- short batch and leaves what is busy for the next sweep. (The verb itself is in 68_sweep.sql.)

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

CREATE FUNCTION vibe._orphaned_tasks(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.campaign_id, t.step, t.status
      FROM vibe.tasks t
     WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
       -- A subquery with a LIMIT stays an index probe, also where the statistics know of no open task.
       AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = '' LIMIT 1) IS NULL
       AND (t.step IS NOT NULL OR NOT vibe._has_open_branches(t.id))
     ORDER BY t.id;
END;
COMMENT ON FUNCTION vibe._orphaned_tasks(bigint, bigint) IS 'find_orphaned_tasks() among the open tasks whose ids are above the first and up to the second.';

CREATE FUNCTION vibe.find_orphaned_tasks()
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT o.task_id, o.campaign_id, o.step, o.status FROM vibe._orphaned_tasks(0, 9223372036854775807) o;
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
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (ARRAY(SELECT l.task_id FROM vibe.find_stale_locks() l))
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
    IF gone_since IS NULL OR gone_since + vibe._setting('orphan_grace') + interval '10 seconds' > at
       OR NOT vibe._is_home() THEN
        RETURN 0;
    END IF;
    RETURN vibe._lose_dispatched_runs('there was no dispatcher for longer than orphan_grace', true, at);
END
$$;
COMMENT ON FUNCTION vibe._free_dispatched_runs(timestamptz, timestamptz) IS 'Loses the runs of a dispatcher that stayed away for longer than orphan_grace and the time its supervisors need to end their agents.';

-- Tables written: work, tasks. Locks, in order: the tasks, ids ascending.
CREATE FUNCTION vibe._requeue_orphans(after bigint, last_id bigint, at timestamptz)
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
         WHERE t.id = ANY (ARRAY(SELECT o.task_id FROM vibe._orphaned_tasks(after, last_id) o LIMIT 1000))
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
COMMENT ON FUNCTION vibe._requeue_orphans(bigint, bigint, timestamptz) IS 'Gives open tasks with these ids whose main line has no work their step back, 1000 at most.';

-- Tables written: campaigns, activities. Locks: campaign rows, of which those that are busy are left for the next
-- sweep.
CREATE FUNCTION vibe._finish_campaigns(at timestamptz)
    RETURNS bigint
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.id, at))
      FROM (SELECT c.id FROM vibe.campaigns c
             WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision', 'paused') AND c.tasks_to_create IS NULL
               -- One that was reopened waits for the revisions that somebody is about to ask for.
               AND EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at >= coalesce(c.reopened_at, t.ended_at))
               AND NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at IS NULL)
             ORDER BY c.id
               FOR NO KEY UPDATE SKIP LOCKED) c;
END;
COMMENT ON FUNCTION vibe._finish_campaigns(timestamptz) IS 'Marks campaigns completed that have tasks but none open or still to be created.';

-- Tables written: tasks, work, campaigns, activities. Locks: campaign rows, one after the other and none waited for.
-- Whichever was longest without a batch is next, and a turn is limited: its locks are held until the sweep commits.
CREATE FUNCTION vibe._add_batches(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
    created bigint;
    total bigint := 0;
BEGIN
    FOR i IN 1..100 LOOP
        SELECT * INTO campaign FROM vibe.campaigns c WHERE c.tasks_to_create IS NOT NULL AND c.status <> 'paused'
         ORDER BY c.updated_at, c.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        EXIT WHEN NOT FOUND;
        created := vibe._create_batch(campaign, at);
        PERFORM vibe._record_generated(campaign, created, campaign.tasks_to_create - created);
        total := total + created;
        EXIT WHEN total >= 5000;
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION vibe._add_batches(timestamptz) IS 'Creates what campaigns that were activated in batches still have to create: batch by batch until 5000 tasks, or 100 batches, were added.';
