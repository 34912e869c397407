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
    steps_each bigint;
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
    steps_each := (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    steps_total := (total - cancelled) * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status <> 'cancelled');
    -- Runs of completed tasks may be pruned.
    steps_done := done * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status = 'completed')
        + (SELECT count(*) FROM vibe.tasks t JOIN vibe.runs r ON r.task_id = t.id
            WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL AND r.outcome = 'done' AND NOT r.superseded);
    cost_usd := (SELECT coalesce(sum(u.cost_usd), 0) FROM vibe.usage u WHERE u.campaign_id = campaign.id);
    elapsed := extract(epoch FROM coalesce(campaign.ended_at, vibe.clock()) - campaign.activated_at);
    tasks_per_minute := round(60 * done / nullif(elapsed, 0), 2);
    seconds_left := CASE WHEN campaign.ended_at IS NOT NULL THEN 0
        ELSE round(elapsed * (steps_total - steps_done) / nullif(steps_done, 0), 1) END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state, steps done of all, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';
