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

-- A page costs what its rows cost, however many are open: both members of the union are a single table without a
-- condition of its own, so that the planner merges them in the order of work_queue_idx, and what is told of a row is
-- looked up in subqueries with a LIMIT, which stay index probes.
CREATE VIEW vibe.queue AS
    SELECT q.task_id, t.title AS task, q.branch, coalesce(t.label, q.kind) AS step, q.agent_name AS agent, t.priority,
           CASE WHEN q.task_id IS NULL THEN CASE WHEN a.paused_at IS NOT NULL THEN 'agent paused' ELSE 'ready' END
                WHEN q.state = 'waiting' THEN q.waiting_for
                WHEN c.status NOT IN ('active', 'in_revision') THEN 'campaign ' || c.status
                ELSE q.state END AS waits_for,
           q.since, q.ready_at AS until, q.rank
      FROM (SELECT w.state <> 'held' AS is_listed, w.priority AS rank, w.since, w.task_id, w.branch, w.campaign_id, w.step,
                   w.agent_name, w.state, w.waiting_for, w.ready_at, NULL::text AS kind
              FROM vibe.work w
            UNION ALL
            SELECT h.run_id IS NULL AND h.agent_name IS NOT NULL, -2::smallint, h.ready_at, NULL::bigint, ''::text, NULL::bigint, NULL::integer,
                   h.agent_name, NULL::text, NULL::text, NULL::timestamptz, h.kind
              FROM vibe.chores h) q
      LEFT JOIN LATERAL (
            SELECT t.title, t.priority, s.label
              FROM vibe.tasks t
              LEFT JOIN vibe.pipeline_steps s
                ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = q.branch AND s.step = q.step
             WHERE t.id = q.task_id LIMIT 1) t ON true
      LEFT JOIN LATERAL (SELECT c.status FROM vibe.campaigns c WHERE c.id = q.campaign_id LIMIT 1) c ON true
      LEFT JOIN LATERAL (
            SELECT a.paused_at FROM vibe.current_agents a WHERE a.name = q.agent_name AND q.task_id IS NULL LIMIT 1) a ON true
     WHERE q.is_listed
     ORDER BY q.rank, q.since, q.task_id, q.branch;
COMMENT ON VIEW vibe.queue IS 'What is ready or waiting, and for what: heartbeats, which have no task, go first, then by rank (-1 put first by dispatch_agent(), 0 urgent to 3 low) and since. The page after a row is WHERE (rank, since, task_id, branch) > (those of that row) LIMIT n.';

-- STABLE although the clock goes on: so every count is of one snapshot.
CREATE FUNCTION vibe.campaign_progress(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, total bigint, done bigint, cancelled bigint, running bigint, ready bigint,
                   waiting bigint, blocked bigint, revisions bigint, steps_done bigint, steps_total bigint,
                   cost_usd numeric, tasks_per_minute numeric, seconds_left numeric, tasks_to_create bigint)
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
    -- By its open tasks, one probe each: work has no index by campaign alone, which every step would write.
    SELECT coalesce(sum(w.running), 0)::bigint, coalesce(sum(w.ready), 0)::bigint, coalesce(sum(w.waiting), 0)::bigint
      INTO running, ready, waiting
      FROM vibe.tasks t
     CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE w.state = 'held') AS running, count(*) FILTER (WHERE w.state = 'ready') AS ready,
                   count(*) FILTER (WHERE w.state = 'waiting') AS waiting
              FROM vibe.work w WHERE w.task_id = t.id) w
     WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL;
    steps_each := (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    tasks_to_create := coalesce(campaign.tasks_to_create, 0);
    steps_total := (total + tasks_to_create - cancelled) * steps_each
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
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state and those that are still to be created (tasks_to_create, not in total), steps done of all, those of the latter included, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';
