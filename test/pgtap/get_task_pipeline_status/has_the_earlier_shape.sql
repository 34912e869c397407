BEGIN;
SELECT plan(12);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('Image', 1, '{"deliverable": "heroImage", "model": "big"}'), t.branch('Unwanted', 1, '{"deliverable": "x"}')))
    , '{"1": {"output_dir": "drafts", "description": "Drafts it"}, "2": {"model": "opus"}}'), deliverables => '["heroImage"]')) AS task \gset
SELECT t.done(:task, score => 77) \g /dev/null
SELECT run_id FROM t.acquire(:task) \gset
SELECT vibe.get_task_pipeline_status(:task) AS s \gset
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'s') k), '{branches,createdAt,endedAt,lockedAt,lockedBy,pipeline,pipelineStep,priority,qualityScore,rejectionNotes,revisionCount,status,taskId,title,updatedAt,waitingFor}'::text[], 'its keys');
SELECT is(:'s'::jsonb ->> 'pipelineStep', '2');
SELECT is(:'s'::jsonb ->> 'lockedBy', 'agent-2');
SELECT is(:'s'::jsonb ->> 'lockedAt', '2030-01-01T12:00:00.000Z', 'times are ISO 8601 in UTC');
SELECT is(:'s'::jsonb ->> 'qualityScore', '77');
SELECT is(:'s'::jsonb ->> 'status', 'drafted');
SELECT is((SELECT string_agg(p ->> 'status', ' ') FROM jsonb_array_elements(:'s'::jsonb -> 'pipeline') p), 'completed completed in_progress pending', 'a status per step');
SELECT is(:'s'::jsonb #> '{pipeline,1}', '{"step": 1, "label": "Step 1", "agent": "agent-1", "model": null, "description": "Drafts it", "outputDir": "drafts", "status": "completed"}', 'a step');
SELECT is(:'s'::jsonb -> 'branches', '[{"label": "Image", "agent": "agent-9", "model": "big", "deliverable": "heroImage", "triggerAfterStep": 1, "lockedBy": null, "status": "pending"}]', 'wanted branches only');
SELECT run_id AS side, token AS side_token FROM t.acquire(:task, 'Image') \gset
SELECT is(vibe.get_task_pipeline_status(:task) #>> '{branches,0,status}' || (vibe.get_task_pipeline_status(:task) #>> '{branches,0,lockedBy}'), 'in_progressagent-9');
SELECT count(*) FROM vibe.fail_step(:side, :'side_token', 'blocked') \g /dev/null
SELECT is(vibe.get_task_pipeline_status(:task) #>> '{branches,0,status}', 'failed');
SELECT throws_ok('SELECT vibe.get_task_pipeline_status(-1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
