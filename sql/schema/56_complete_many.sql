-- Many completions at once. What most of them do (a step is done, the next one is ready) is one statement per table
-- for all of them; whatever else can follow from a completion is the business of complete_step(), one at a time.

CREATE TYPE vibe._completion AS (
    nth bigint, run_id bigint, output jsonb, quality_score numeric, output_path text, summary text, record jsonb);
COMMENT ON TYPE vibe._completion IS 'A result of a run, and the record of its process''s end where that is what brings it.';

CREATE TYPE vibe._plain_move AS (nth bigint, run_id bigint, next_step integer, next_agent text, task_status text);
COMMENT ON TYPE vibe._plain_move IS 'A completion after which the next step is ready, and nothing else.';

-- Tables written: runs, work, tasks. The tasks are locked by the caller, so that nobody but us moves what is read here.
-- Two statements for all of them: which completions are plain, and what that makes of work and tasks; then the runs.
-- Each row is asked for by its key (LATERAL, ANY), so that a session that planned while a table was small goes on well.
CREATE FUNCTION vibe._move_plainly(items vibe._completion[], at timestamptz)
    RETURNS vibe._plain_move[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moves vibe._plain_move[];
    ends vibe._run_end[];
BEGIN
    WITH move AS MATERIALIZED (
        SELECT i.*, t.id AS task_id, vibe._priority_rank(t.priority) AS priority, coalesce(o.status, t.status) AS task_status,
               following.step AS next_step, following.agent_name AS next_agent
          FROM unnest(items) i
         CROSS JOIN LATERAL (SELECT x.* FROM vibe.runs x WHERE x.id = i.run_id OFFSET 0) r
          JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id
          JOIN vibe.tasks t ON t.id = r.task_id
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
          LEFT JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
         CROSS JOIN LATERAL (
            SELECT f.step, f.agent_name FROM vibe.pipeline_steps f
             WHERE f.pipeline_version_id = s.pipeline_version_id AND f.branch = '' AND f.step > s.step
             ORDER BY f.step LIMIT 1) following
         WHERE r.branch = '' AND r.closed_at IS NULL AND s.gate IS NULL AND following.agent_name IS NOT NULL
           AND t.status NOT IN ('revision_needed', 'blocked')
           AND NOT EXISTS (SELECT 1 FROM vibe.pipeline_steps b WHERE b.pipeline_version_id = s.pipeline_version_id AND b.branch > '')
           AND (i.quality_score BETWEEN 0 AND 100) IS NOT FALSE
           AND vibe._stays_in_workspace(i.output_path) IS NOT FALSE
           -- Who wants to be told of each step is told by complete_step().
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_kinds k WHERE k.kind = 'step_advanced' AND k.in_app)
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_rules n WHERE n.kind = 'step_advanced' AND n.enabled)
    ), readied AS (
        UPDATE vibe.work w
           SET step = m.next_step, agent_name = m.next_agent, state = 'ready', run_id = NULL, attempts = 0, retries = 0, since = at,
               note = NULL, priority = m.priority
          FROM move m WHERE w.task_id = m.task_id AND w.branch = '' AND w.task_id = ANY (ARRAY(SELECT k.task_id FROM move k))
    ), moved AS (
        UPDATE vibe.tasks t
           SET status = m.task_status, step = m.next_step, quality_score = coalesce(m.quality_score, t.quality_score),
               rejection_notes = NULL, updated_at = at
          FROM move m WHERE t.id = m.task_id AND t.id = ANY (ARRAY(SELECT k.task_id FROM move k))
    )
    SELECT array_agg((m.nth, m.run_id, m.next_step, m.next_agent, m.task_status)::vibe._plain_move),
           array_agg((m.run_id, 'done', NULL, vibe._answer(m.next_step, m.next_agent, m.task_status, false), m.summary, m.output,
                      m.output_path, m.quality_score, NULL, NULL, m.record)::vibe._run_end)
      INTO moves, ends FROM move m;
    IF moves IS NULL THEN
        RETURN ARRAY[]::vibe._plain_move[];
    END IF;
    PERFORM 1 FROM vibe._end_runs(ends, at);
    RETURN moves;
END
$$;
COMMENT ON FUNCTION vibe._move_plainly(vibe._completion[], timestamptz) IS 'Closes as done those runs after which the next step of a line without branches is ready, and nothing else: no gate, no end, no revision, nobody to be told; makes these steps ready, and returns what became of them. No run may be named twice.';
