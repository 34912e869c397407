BEGIN;
SELECT plan(5);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 1000000) \gset
SELECT is(tasks_to_create, 999998::bigint) FROM vibe.activate_campaign(:c, 2);
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, 1)', :c), 'VB034', NULL, 'no room for others by number');
SELECT throws_ok(format('SELECT * FROM vibe.create_task((SELECT project_id FROM vibe.campaigns WHERE id = %1$s), title => ''x'', campaign_id => %1$s)', :c), 'VB034', NULL, 'nor by title');
SELECT is(tasks_to_create, 999996::bigint, 'but for the next batch') FROM vibe.activate_campaign(:c);
SELECT is(row(p.total, p.steps_total, p.tasks_to_create)::text, '(4,1000000,999996)', 'progress counts them') FROM vibe.campaign_progress(:c) p;

SELECT * FROM finish();
ROLLBACK;
