BEGIN;
SELECT plan(7);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS p \gset
SELECT (vibe._insert_version((SELECT id FROM vibe.pipelines WHERE slug = :'pipeline'), t.definition(2), vibe.clock())).id AS version \gset
DELETE FROM vibe.home;
SELECT is(row(campaign_id, number, slug, pipeline_version)::text, '(,1,single,2)', 'counted within the project') FROM vibe.create_task(:p, 'Single', pipeline_slug => :'pipeline');
SELECT id AS task FROM vibe.list_tasks(:p) \gset
SELECT is(campaign_id, 0::bigint, 'its work belongs to campaign 0') FROM vibe.work WHERE task_id = :task;
SELECT is((SELECT count(*)::int FROM vibe.home), 1, 'a home is noted, so that it is claimed');
SELECT t.finish(r, 'done') FROM t.claim() r \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT is(t.status(:task), 'completed', 'it is carried to its end');
SELECT is(number, 2, 'the next one counts on') FROM vibe.create_task(:p, 'Single', pipeline_slug => :'pipeline');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', pipeline_slug => 'none')$$, :'p'), 'VB005', NULL, 'a pipeline that is not there');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x')$$, :'p'), 'VB030', NULL, 'none at all');

SELECT * FROM finish();
ROLLBACK;
