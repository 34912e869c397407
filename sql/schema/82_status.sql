-- One task as JSON, in the earlier shape, camelCase keys and all.

CREATE FUNCTION vibe._iso(at timestamptz)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END;
COMMENT ON FUNCTION vibe._iso(timestamptz) IS 'A time as ISO 8601 in UTC, as JSON clients expect it.';

CREATE FUNCTION vibe._line_status(task vibe.tasks, item vibe.work)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_agg(jsonb_build_object('step', s.step, 'label', s.label, 'agent', s.agent_name, 'model', s.model,
                   'description', s.description, 'outputDir', s.output_dir, 'status', CASE
                       WHEN task.status = 'completed' OR s.step < coalesce(item.step, task.step) THEN 'completed'
                       WHEN task.ended_at IS NULL AND task.step IS NULL THEN 'completed'
                       WHEN s.step = item.step AND item.waiting_for = 'approval' AND s.agent_name IS NOT NULL THEN 'completed'
                       WHEN s.step = item.step AND item.state = 'held' THEN 'in_progress'
                       WHEN item.task_id IS NULL AND s.step < (
                           SELECT max(r.step) + 1 FROM vibe.runs r
                            WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded) THEN 'completed'
                       ELSE 'pending' END) ORDER BY s.step)
          FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '');
END
$$;
COMMENT ON FUNCTION vibe._line_status(vibe.tasks, vibe.work) IS 'The main steps of a task as JSON: pending, in_progress or completed. A step whose result waits for approval is completed, the next one is not.';

CREATE FUNCTION vibe._branch_status(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('label', s.branch, 'agent', s.agent_name, 'model', s.model,
                   'deliverable', s.deliverable, 'triggerAfterStep', s.trigger_after_step,
                   'lockedBy', CASE WHEN w.state = 'held' THEN s.agent_name END, 'status', CASE
                       WHEN w.state = 'held' OR w.waiting_for = 'approval' THEN 'in_progress'
                       WHEN w.waiting_for = 'person' THEN 'failed'
                       WHEN w.task_id IS NOT NULL THEN 'pending'
                       WHEN s.branch = ANY (task.cancelled_branches) THEN 'cancelled'
                       WHEN EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = s.branch
                                       AND r.outcome = 'done' AND NOT r.superseded) THEN 'completed'
                       WHEN task.status = 'cancelled' THEN 'cancelled'
                       ELSE 'pending' END) ORDER BY s.trigger_after_step, s.branch), '[]')
          FROM vibe.pipeline_steps s
          LEFT JOIN vibe.work w ON w.task_id = task.id AND w.branch = s.branch
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> ''
           AND (vibe._wants(vibe._wanted(task), s.deliverable) OR w.task_id IS NOT NULL));
END
$$;
COMMENT ON FUNCTION vibe._branch_status(vibe.tasks) IS 'The wanted or open branches of a task as JSON: pending, in_progress (also while its result waits for approval), completed, failed (waits for a person) or cancelled.';

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
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = get_task_pipeline_status.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(get_task_pipeline_status.task_id);
    END IF;
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    RETURN jsonb_build_object('taskId', task.id, 'title', task.title, 'status', task.status, 'priority', task.priority,
        'pipelineStep', item.step, 'waitingFor', item.waiting_for,
        'pipeline', vibe._line_status(task, item), 'branches', vibe._branch_status(task),
        'lockedBy', holder.agent_name, 'lockedAt', vibe._iso(holder.claimed_at),
        'qualityScore', task.quality_score, 'revisionCount', task.revision_count, 'rejectionNotes', task.rejection_notes,
        'createdAt', vibe._iso(task.created_at), 'updatedAt', vibe._iso(task.updated_at), 'endedAt', vibe._iso(task.ended_at));
END
$$;
COMMENT ON FUNCTION vibe.get_task_pipeline_status(bigint) IS 'One task as JSON with camelCase keys: its steps (pending, in_progress, completed), its wanted branches (also failed, cancelled) with who holds them, who holds the main line, scores and revisions. Raises VB003.';
