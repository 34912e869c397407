BEGIN;
SELECT plan(9);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 1, '{"deliverable": "heroImage"}'))), '{"1": {"output_dir": "research", "timeout": "30 min"}}'))) AS task \gset
SELECT t.finish(r, 'failed', '{"error": "no disk"}') FROM t.claim() r \g /dev/null
SELECT is(vibe.get_step_details(:task, 1) #>> '{waitingFor}', 'back_off', 'where it stands');
SELECT count(*) FROM vibe.retry_step(:task) \g /dev/null
SELECT t.finish(r, 'done', '{"result": {"summary": "found", "score": 80, "output": {"n": 1}}}') FROM t.claim() r \g /dev/null
SELECT vibe.get_step_details(:task, 1) AS d \gset
SELECT is(:'d'::jsonb #> '{definition}', '{"label": "Step 1", "agent": "agent-1", "model": null, "description": null, "outputDir": "research", "timeoutSeconds": 1800.000000, "maxAttempts": 3, "gate": null, "triggerAfterStep": null, "deliverable": null}', 'its definition');
SELECT is(:'d'::jsonb #>> '{output,output,n}', '1', 'the output that counts');
SELECT is((SELECT array_agg(r.value ->> 'outcome') FROM jsonb_array_elements(:'d'::jsonb -> 'runs') r), '{failed,done}', 'all runs');
SELECT is(:'d'::jsonb -> 'state', 'null', 'it is at rest');
SELECT is(vibe.get_step_details(:task, branch => 'Side') #>> '{definition,deliverable}', 'heroImage', 'a branch by its label');
SELECT is(vibe.get_step_details(:task, 2) -> 'output', 'null', 'nothing before it is done');
SELECT throws_ok(format('SELECT vibe.get_step_details(%s, 9)', :'task'), 'VB007', NULL, 'no such step');
SELECT throws_ok('SELECT vibe.get_step_details(-1, 1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
