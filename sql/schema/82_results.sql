-- What was made, as JSON with camelCase keys: all outputs of a campaign, and one step in detail.

CREATE FUNCTION vibe._outputs(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'kind', coalesce(s.deliverable, s.output_dir, s.label), 'branch', r.branch, 'step', r.step, 'label', s.label,
                   'agent', r.agent_name, 'outputDir', s.output_dir, 'deliverable', s.deliverable, 'outputPath', r.output_path,
                   'publishedPath', CASE WHEN r.started_by = 'dispatcher' THEN vibe._publish_path(task, r) END,
                   'score', r.quality_score, 'summary', r.summary, 'runId', r.id, 'completedAt', vibe._iso(r.closed_at))
                   ORDER BY r.branch, r.step), '[]')
          FROM (SELECT DISTINCT ON (x.branch, x.step) x.* FROM vibe.runs x
                 WHERE x.task_id = task.id AND x.outcome = 'done' AND NOT x.superseded
                 ORDER BY x.branch, x.step, x.id DESC) r
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = r.branch AND s.step = r.step);
END
$$;
COMMENT ON FUNCTION vibe._outputs(vibe.tasks) IS 'What a task''s finished steps and branches have made, the main line first.';

CREATE FUNCTION vibe._manifest_totals(campaign vibe.campaigns, tasks jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    by_kind jsonb;
    totals jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(k.kind, k.n), '{}') INTO by_kind
      FROM (SELECT o.value ->> 'kind' AS kind, count(*) AS n
              FROM jsonb_array_elements(tasks) t, jsonb_array_elements(t.value -> 'outputs') o
             GROUP BY 1) k;
    SELECT jsonb_build_object('tasks', count(*), 'completed', count(*) FILTER (WHERE t.status = 'completed'),
               'cancelled', count(*) FILTER (WHERE t.status = 'cancelled'), 'revisions', coalesce(sum(t.revision_count), 0),
               'averageScore', round(avg(t.quality_score), 1))
      INTO totals FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    RETURN totals || jsonb_build_object('outputs', (SELECT coalesce(sum(k.value::numeric), 0) FROM jsonb_each_text(by_kind) k), 'outputsByKind', by_kind)
        || (SELECT jsonb_build_object('runs', count(*), 'costUsd', coalesce(sum(r.cost_usd), 0),
                   'inputTokens', coalesce(sum(r.input_tokens), 0), 'outputTokens', coalesce(sum(r.output_tokens), 0))
              FROM vibe.runs r WHERE r.campaign_id = campaign.id);
END
$$;
COMMENT ON FUNCTION vibe._manifest_totals(vibe.campaigns, jsonb) IS 'Sums over a campaign: tasks, outputs by kind, runs, cost and tokens.';

CREATE FUNCTION vibe.campaign_manifest(id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    tasks jsonb;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_manifest.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_manifest.id);
    END IF;
    SELECT coalesce(jsonb_agg(jsonb_build_object('taskId', t.id, 'number', t.number, 'title', t.title, 'slug', t.slug,
               'keyword', t.keyword, 'status', t.status, 'score', t.quality_score, 'revisions', t.revision_count,
               'outputs', vibe._outputs(t)) ORDER BY t.id), '[]')
      INTO tasks FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    RETURN (
        SELECT jsonb_build_object('campaignId', campaign.id, 'slug', campaign.slug, 'name', campaign.name, 'status', campaign.status,
                   'projectId', p.id, 'project', p.slug, 'rootPath', p.root_path, 'pipeline', l.slug, 'pipelineVersion', v.number,
                   'activatedAt', vibe._iso(campaign.activated_at), 'endedAt', vibe._iso(campaign.ended_at),
                   'tasks', tasks, 'totals', vibe._manifest_totals(campaign, tasks))
          FROM vibe.projects p, vibe.pipeline_versions v JOIN vibe.pipelines l ON l.id = v.pipeline_id
         WHERE p.id = campaign.project_id AND v.id = campaign.pipeline_version_id);
END
$$;
COMMENT ON FUNCTION vibe.campaign_manifest(bigint) IS 'Everything that a campaign has made, as JSON with camelCase keys: per task the outputs of its main line and branches (kind is the deliverable or the output directory) with outputPath (in the workspace), publishedPath (where a file that the agent left is published; NULL for runs held by hand or without a root_path), score and summary; totals by kind, with cost and tokens. What a revision replaced is left out. Raises VB002.';

CREATE FUNCTION vibe._step_runs(task_id bigint, branch text, step integer)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('runId', r.id, 'attempt', r.attempt, 'revision', r.revision, 'agent', r.agent_name,
                   'model', r.model, 'runner', r.runner, 'startedBy', r.started_by, 'outcome', r.outcome, 'error', r.error,
                   'superseded', r.superseded, 'summary', r.summary, 'notes', r.notes, 'score', r.quality_score,
                   'claimedAt', vibe._iso(r.claimed_at), 'startedAt', vibe._iso(r.started_at),
                   'closedAt', vibe._iso(r.closed_at), 'endedAt', vibe._iso(r.ended_at),
                   'inputTokens', r.input_tokens, 'outputTokens', r.output_tokens, 'costUsd', r.cost_usd) ORDER BY r.id), '[]')
          FROM vibe.runs r
         WHERE r.task_id = _step_runs.task_id AND r.branch = _step_runs.branch AND r.step = _step_runs.step);
END
$$;
COMMENT ON FUNCTION vibe._step_runs(bigint, text, integer) IS 'All attempts at a step, the first one first.';

CREATE FUNCTION vibe.get_step_details(task_id bigint, step integer DEFAULT 0, branch text DEFAULT '')
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    definition vibe.pipeline_steps;
    item vibe.work;
    result vibe.runs;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = get_step_details.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(get_step_details.task_id);
    END IF;
    SELECT * INTO definition FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = coalesce(get_step_details.branch, '')
       AND s.step = coalesce(get_step_details.step, 0);
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, coalesce(get_step_details.branch, ''), coalesce(get_step_details.step, 0),
            format('SELECT vibe.get_task_pipeline_status(%s) names its steps and branches; a branch has step 0.', task.id));
    END IF;
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = definition.branch AND w.step = definition.step;
    SELECT * INTO result FROM vibe.runs r
     WHERE r.task_id = task.id AND r.branch = definition.branch AND r.step = definition.step AND r.outcome = 'done' AND NOT r.superseded
     ORDER BY r.id DESC LIMIT 1;
    RETURN jsonb_build_object('taskId', task.id, 'title', task.title, 'taskStatus', task.status, 'step', definition.step,
        'branch', definition.branch, 'state', item.state, 'waitingFor', item.waiting_for, 'readyAt', vibe._iso(item.ready_at),
        'since', vibe._iso(item.since), 'attempts', item.attempts, 'note', item.note,
        'definition', jsonb_build_object('label', definition.label, 'agent', definition.agent_name, 'model', definition.model,
            'description', definition.description, 'outputDir', definition.output_dir, 'timeoutSeconds', extract(epoch FROM definition.timeout),
            'maxAttempts', definition.max_attempts, 'gate', definition.gate, 'triggerAfterStep', definition.trigger_after_step,
            'deliverable', definition.deliverable),
        'output', CASE WHEN result.id IS NOT NULL THEN jsonb_build_object('runId', result.id, 'summary', result.summary, 'output', result.output,
            'outputPath', result.output_path, 'score', result.quality_score,
            'publishedPath', CASE WHEN result.started_by = 'dispatcher' THEN vibe._publish_path(task, result) END) END,
        'runs', vibe._step_runs(task.id, definition.branch, definition.step));
END
$$;
COMMENT ON FUNCTION vibe.get_step_details(bigint, integer, text) IS 'One step of a task as JSON with camelCase keys: its definition, where it stands now (state is null unless it is ready, held or waiting), the output that counts (null before it is done), and all its runs with outcome, error, score and cost. For a branch give its label; its step is 0. Raises VB003, VB007.';
