BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P')).id AS p, t.pipeline(1) AS pipeline \gset
SELECT id AS c FROM vibe.create_campaign(:p, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 2, seed_keywords => ARRAY['One', 'Two']) \gset
SELECT id AS task FROM vibe.create_task(:p, 'Early', :c) \gset
SELECT count(*) FROM vibe.activate_campaign(t.campaign(t.pipeline(1))) \g /dev/null
SELECT is_empty(format('SELECT 1 FROM t.claim(10) r JOIN vibe.runs x ON x.id = r WHERE x.task_id = %s', :'task'), 'nothing starts');
SELECT is((SELECT reason FROM vibe.acquire_lock(:task, 'agent-1')), 'campaign_planning', 'not by hand either');
SELECT is(tasks_created, 2::bigint, 'activation creates its own beside it') FROM vibe.activate_campaign(:c);
SELECT results_eq(format('SELECT title FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'c'), ARRAY['Early', 'One', 'Two'], 'with every keyword');
SELECT is((SELECT count(*)::int FROM t.claim(10)), 3, 'then all start');

SELECT * FROM finish();
ROLLBACK;
