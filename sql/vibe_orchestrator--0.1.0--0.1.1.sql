\echo Use "ALTER EXTENSION vibe_orchestrator UPDATE" to load this file. \quit

-- A notification that a ceiling was reached says the call that raises it.
CREATE OR REPLACE FUNCTION vibe._next_call(notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN notification.kind = 'approval_needed' AND notification.task_id IS NULL THEN
            'SELECT * FROM vibe.queue WHERE waits_for = ''approval'';'
        WHEN notification.kind = 'approval_needed' THEN
            format('SELECT * FROM vibe.approve_step(task_id => %s%s%s);', notification.task_id, ', run_id => ' || notification.run_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'provider_paused' AND notification.detail ->> 'until' = 'infinity' THEN
            format('SELECT * FROM vibe.resume_provider(%L);', notification.detail ->> 'provider')
        WHEN notification.kind = 'budget_reached' AND notification.campaign_id IS NOT NULL AND notification.task_id IS NULL THEN
            format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', notification.campaign_id)
        WHEN notification.kind = 'budget_reached' AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', notification.task_id)
        WHEN notification.kind IN ('task_blocked', 'agent_crashed') AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.why(task_id => %s%s);', notification.task_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'backlog_low' AND notification.campaign_id IS NOT NULL THEN
            format('SELECT * FROM vibe.generate_tasks(campaign_id => %s, how_many => …);', notification.campaign_id)
    END;
END;

-- A page of the queue costs what its rows cost.
CREATE INDEX work_queue_idx ON vibe.work (priority, since, task_id, branch) WHERE state <> 'held';
CREATE OR REPLACE VIEW vibe.queue AS
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
