-- What waits suspiciously long. An agent with a long queue lets most of it wait for hours, and all is well: only a
-- queue of which nothing was begun for an hour is stalled.

-- An agent's last run, and its first ready step, are looked for by the whole key of their index, so that no plan walks
-- what others have for an agent that has none.
CREATE FUNCTION vibe._has_ready_work(agent_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT w.agent_name = _has_ready_work.agent_name FROM vibe.work w
                      WHERE w.state = 'ready' AND w.agent_name >= _has_ready_work.agent_name
                      ORDER BY w.agent_name, w.priority, w.campaign_id, w.since, w.task_id LIMIT 1), false);
END;
COMMENT ON FUNCTION vibe._has_ready_work(text) IS 'Whether a step is ready for this agent, be its campaign at work or not.';

-- Walks the heads of the queues as the claim does, those of idle agents only: of busy ones nothing is stalled. A task
-- without a campaign stands in the queue of campaign 0.
CREATE FUNCTION vibe._stalled_heads(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, agent_name text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH idle AS MATERIALIZED (
        SELECT a.name FROM vibe.agents a
         WHERE ((SELECT CASE WHEN r.agent_name = a.name THEN r.claimed_at END
                   FROM vibe.runs r WHERE (r.agent_name, r.claim_event) <= (a.name, 9223372036854775807)
                  ORDER BY r.agent_name DESC, r.claim_event DESC LIMIT 1)
                > at - interval '1 hour') IS NOT TRUE
           AND vibe._has_ready_work(a.name)
    ), queue AS (
        SELECT c.id AS campaign_id, s.agent_name
          FROM vibe.campaigns c
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id
         WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision') AND s.agent_name IN (SELECT i.name FROM idle i)
         GROUP BY c.id, s.agent_name
        UNION ALL
        SELECT 0, i.name FROM idle i
    )
    SELECT h.task_id, h.branch, q.agent_name, h.since
      FROM queue q
     CROSS JOIN LATERAL (
            SELECT w.task_id, w.branch, w.since FROM vibe.work w
             WHERE w.state = 'ready' AND w.campaign_id = q.campaign_id AND w.agent_name = q.agent_name
             ORDER BY w.campaign_id, w.agent_name, w.priority, w.since, w.task_id LIMIT 1) h
     WHERE h.since < at - interval '1 hour';
END;
COMMENT ON FUNCTION vibe._stalled_heads(timestamptz) IS 'The first ready step of each agent, in campaigns at work, that waits for more than an hour in which that agent began nothing.';

CREATE FUNCTION vibe._stuck_steps(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for IN ('person', 'approval') AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.since LIMIT 100)
    UNION ALL
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for = 'back_off' AND w.ready_at > at AND w.since < at - interval '1 hour'
        AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.ready_at DESC LIMIT 100)
    UNION ALL
    (SELECT h.task_id, h.branch, h.since FROM vibe._stalled_heads(at) h ORDER BY h.since LIMIT 100)
    UNION ALL
    (SELECT l.task_id, l.branch, l.renewed_at FROM vibe.find_stale_locks() l LIMIT 100)
    UNION ALL
    -- The work behind it waits for the end of its process; where it waits for a person, that is said above.
    (SELECT r.task_id, r.branch, r.closed_at FROM vibe.runs r
       JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.state = 'ready'
      WHERE r.ended_at IS NULL AND r.closed_at < at - interval '5 minutes' LIMIT 100)
    UNION ALL
    -- Of many open tasks those that the next sweep looks at: it mends them.
    (SELECT o.task_id, '', (SELECT t.updated_at FROM vibe.tasks t WHERE t.id = o.task_id)
       FROM vibe.sweep_state s
      CROSS JOIN LATERAL vibe._next_window(s.looked_up_to) n
      CROSS JOIN LATERAL vibe._orphaned_tasks(s.looked_up_to, n.last_id) o LIMIT 100);
END;
COMMENT ON FUNCTION vibe._stuck_steps(timestamptz) IS 'Steps that need a person or wait suspiciously long, up to 100 of each kind: for a person or an approval; a back-off of more than an hour; stalled queues; locks whose holder is silent; processes that do not end; open tasks without work.';

CREATE VIEW vibe.stuck AS
    SELECT s.task_id, left(t.title, 40) AS task, coalesce(nullif(s.branch, ''), p.label, '') AS step, y.code, y.reason,
           s.since, y.next_call
      FROM (SELECT u.task_id, u.branch, min(u.since) AS since FROM vibe._stuck_steps((SELECT c.now FROM vibe.clock() c(now))) u
             GROUP BY u.task_id, u.branch ORDER BY min(u.since) LIMIT 100) s
      JOIN vibe.tasks t ON t.id = s.task_id
      LEFT JOIN vibe.pipeline_steps p ON p.pipeline_version_id = t.pipeline_version_id AND p.branch = '' AND p.step = t.step
     CROSS JOIN LATERAL vibe.why(s.task_id, s.branch) y
     ORDER BY s.since, s.task_id, s.branch;
COMMENT ON VIEW vibe.stuck IS 'What needs a person or waits suspiciously long, the longest first, 100 rows at most: the task, its step or branch, why (as vibe.why() says), since when, and the call that helps.';
