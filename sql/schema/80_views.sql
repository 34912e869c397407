-- What a person sees. Reads only: everything here works on a standby.

CREATE VIEW vibe.now AS
    SELECT r.id AS run_id, r.agent_name AS agent, t.title AS task, r.task_id, coalesce(s.label, r.kind) AS step, r.branch, r.attempt,
           CASE WHEN r.closed_at IS NOT NULL THEN 'stopping' WHEN r.started_at IS NULL THEN 'launching' ELSE 'running' END AS state,
           r.started_by, r.claimed_at AS since, r.pid
      FROM vibe.runs r
      LEFT JOIN vibe.tasks t ON t.id = r.task_id
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
     WHERE r.ended_at IS NULL
     ORDER BY r.claimed_at, r.id;
COMMENT ON VIEW vibe.now IS 'Who is doing what at this moment: launching, running, or stopping. A heartbeat or a notifier has no task; its kind stands for the step.';

CREATE VIEW vibe.queue AS
    SELECT q.task_id, q.task, q.branch, q.step, q.agent, q.priority, q.waits_for, q.since, q.until
      FROM (SELECT w.task_id, t.title AS task, w.branch, s.label AS step, w.agent_name AS agent, t.priority,
                   CASE WHEN w.state = 'waiting' THEN w.waiting_for
                        WHEN c.status NOT IN ('active', 'in_revision') THEN 'campaign ' || c.status
                        ELSE w.state END AS waits_for,
                   w.since, w.ready_at AS until, w.priority AS rank
              FROM vibe.work w
              JOIN vibe.tasks t ON t.id = w.task_id
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = w.branch AND s.step = w.step
              LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
             WHERE w.state <> 'held'
            UNION ALL
            SELECT NULL, NULL, '', c.kind, c.agent_name, NULL,
                   CASE WHEN a.paused_at IS NOT NULL THEN 'agent paused' ELSE 'ready' END, c.ready_at, NULL, -1
              FROM vibe.chores c
              JOIN vibe.current_agents a ON a.name = c.agent_name
             WHERE c.run_id IS NULL) q
     ORDER BY q.rank, q.since, q.task_id;
COMMENT ON VIEW vibe.queue IS 'What is ready or waiting, and for what; heartbeats, which have no task, go first.';

-- STABLE although the clock goes on: so every count is of one snapshot.
CREATE FUNCTION vibe.campaign_progress(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, total bigint, done bigint, cancelled bigint, running bigint, ready bigint,
                   waiting bigint, blocked bigint, revisions bigint, steps_done bigint, steps_total bigint,
                   cost_usd numeric, tasks_per_minute numeric, seconds_left numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    elapsed numeric;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_progress.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_progress.id);
    END IF;
    campaign_id := campaign.id;
    status := campaign.status;
    SELECT count(*), count(*) FILTER (WHERE t.status = 'completed'), count(*) FILTER (WHERE t.status = 'cancelled'),
           count(*) FILTER (WHERE t.status = 'blocked'), coalesce(sum(t.revision_count), 0)
      INTO total, done, cancelled, blocked, revisions
      FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    SELECT count(*) FILTER (WHERE w.state = 'held'), count(*) FILTER (WHERE w.state = 'ready'),
           count(*) FILTER (WHERE w.state = 'waiting')
      INTO running, ready, waiting
      FROM vibe.work w WHERE w.campaign_id = campaign.id;
    steps_total := (total - cancelled) * (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    SELECT count(*) FILTER (WHERE r.outcome = 'done' AND NOT r.superseded AND t.status <> 'cancelled'),
           coalesce(sum(r.cost_usd), 0)
      INTO steps_done, cost_usd
      FROM vibe.tasks t JOIN vibe.runs r ON r.task_id = t.id
     WHERE t.campaign_id = campaign.id;
    elapsed := extract(epoch FROM coalesce(campaign.ended_at, vibe.clock()) - campaign.activated_at);
    tasks_per_minute := round(60 * done / nullif(elapsed, 0), 2);
    seconds_left := CASE WHEN campaign.ended_at IS NOT NULL THEN 0
        ELSE round(elapsed * (steps_total - steps_done) / nullif(steps_done, 0), 1) END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state, steps done of all, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';

CREATE FUNCTION vibe._iso(at timestamptz)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END;
COMMENT ON FUNCTION vibe._iso(timestamptz) IS 'A time as ISO 8601 in UTC, as JSON clients expect it.';

-- The earlier shape, camelCase keys and all.
CREATE FUNCTION vibe.get_task_pipeline_status(task_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    item vibe.work;
    holder vibe.runs;
    line jsonb;
    sides jsonb;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = get_task_pipeline_status.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(get_task_pipeline_status.task_id);
    END IF;
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    SELECT jsonb_agg(jsonb_build_object('step', s.step, 'label', s.label, 'agent', s.agent_name, 'model', s.model,
               'description', s.description, 'outputDir', s.output_dir, 'status', CASE
                   WHEN task.status = 'completed' OR s.step < coalesce(item.step, task.step + 1) THEN 'completed'
                   WHEN s.step = item.step AND item.waiting_for = 'approval' AND s.agent_name IS NOT NULL THEN 'completed'
                   WHEN s.step = item.step AND item.state = 'held' THEN 'in_progress'
                   WHEN item.task_id IS NULL AND s.step < (
                       SELECT max(r.step) + 1 FROM vibe.runs r
                        WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded) THEN 'completed'
                   ELSE 'pending' END) ORDER BY s.step)
      INTO line
      FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '';
    SELECT coalesce(jsonb_agg(jsonb_build_object('label', s.branch, 'agent', s.agent_name, 'model', s.model,
               'deliverable', s.deliverable, 'triggerAfterStep', s.trigger_after_step,
               'lockedBy', CASE WHEN w.state = 'held' THEN s.agent_name END, 'status', CASE
                   WHEN w.state = 'held' THEN 'in_progress'
                   WHEN w.waiting_for = 'person' THEN 'failed'
                   WHEN w.task_id IS NOT NULL THEN 'pending'
                   WHEN EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = s.branch AND r.outcome = 'done' AND NOT r.superseded)
                       THEN 'completed'
                   WHEN task.status = 'cancelled' THEN 'cancelled'
                   ELSE 'pending' END) ORDER BY s.trigger_after_step, s.branch), '[]')
      INTO sides
      FROM vibe.pipeline_steps s
      LEFT JOIN vibe.work w ON w.task_id = task.id AND w.branch = s.branch
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> '' AND vibe._wants(vibe._wanted(task), s.deliverable);
    RETURN jsonb_build_object('taskId', task.id, 'title', task.title, 'status', task.status, 'priority', task.priority,
        'pipelineStep', item.step, 'waitingFor', item.waiting_for, 'pipeline', line, 'branches', sides,
        'lockedBy', holder.agent_name, 'lockedAt', vibe._iso(holder.claimed_at),
        'qualityScore', task.quality_score, 'revisionCount', task.revision_count, 'rejectionNotes', task.rejection_notes,
        'createdAt', vibe._iso(task.created_at), 'updatedAt', vibe._iso(task.updated_at), 'endedAt', vibe._iso(task.ended_at));
END
$$;
COMMENT ON FUNCTION vibe.get_task_pipeline_status(bigint) IS 'One task as JSON with camelCase keys: its steps (pending, in_progress, completed), its wanted branches (also failed, cancelled), who holds it, scores and revisions. Raises VB003.';
