-- Many completions at once. What most of them do (a step is done, the next one is ready) is one statement per table
-- for all of them; whatever else can follow from a completion is the business of complete_step(), one at a time.

CREATE TYPE vibe._completion AS (
    nth bigint, run_id bigint, output jsonb, quality_score numeric, output_path text, summary text, record jsonb);
COMMENT ON TYPE vibe._completion IS 'A result of a run, and the record of its process''s end where that is what brings it.';

CREATE TYPE vibe._plain_move AS (
    nth bigint, run_id bigint, task_id bigint, priority text, task_status text, next_step integer, next_agent text);
COMMENT ON TYPE vibe._plain_move IS 'A completion after which the next step is ready, and nothing else.';

-- Which completions are plain. The tasks are locked by the caller, so that nobody but us moves what is read here.
CREATE FUNCTION vibe._plain_moves(items vibe._completion[])
    RETURNS vibe._plain_move[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT ON (r.id) (i.nth, r.id, t.id, t.priority, coalesce(o.status, t.status), following.step, following.agent_name)::vibe._plain_move
          FROM unnest(items) i
          JOIN vibe.runs r ON r.id = i.run_id
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
         ORDER BY r.id, i.nth);
END
$$;
COMMENT ON FUNCTION vibe._plain_moves(vibe._completion[]) IS 'Those of the completions after which the next step of a line without branches is ready, and nothing else: no gate, no end, no revision, nobody to be told. Of two for one run the first.';

-- Tables written: runs, work, tasks. The tasks are locked by the caller.
CREATE FUNCTION vibe._move_plainly(moves vibe._plain_move[], items vibe._completion[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM vibe._end_runs(ARRAY(
        SELECT (m.run_id, 'done', NULL, vibe._answer(m.next_step, m.next_agent, m.task_status, false), i.summary, i.output, i.output_path,
                i.quality_score, NULL, NULL, i.record)::vibe._run_end
          FROM unnest(moves) m JOIN unnest(items) i ON i.nth = m.nth), at);
    UPDATE vibe.work w
       SET step = m.next_step, agent_name = m.next_agent, state = 'ready', run_id = NULL, attempts = 0, retries = 0, since = at, note = NULL,
           priority = vibe._priority_rank(m.priority)
      FROM unnest(moves) m WHERE w.task_id = m.task_id AND w.branch = '';
    UPDATE vibe.tasks t
       SET status = m.task_status, step = m.next_step, quality_score = coalesce(i.quality_score, t.quality_score), rejection_notes = NULL, updated_at = at
      FROM unnest(moves) m JOIN unnest(items) i ON i.nth = m.nth WHERE t.id = m.task_id;
    RETURN cardinality(moves);
END
$$;
COMMENT ON FUNCTION vibe._move_plainly(vibe._plain_move[], vibe._completion[], timestamptz) IS 'Closes runs as done and makes the next steps ready, all in three statements.';
