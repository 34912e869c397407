BEGIN;
SELECT plan(8);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT throws_ok(format('SELECT * FROM vibe.create_project(slug => %L, name => %L)', repeat('a', 1000000), 'P'), 'VB030', NULL, 'a slug of 1 MB');
SELECT throws_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L, seed_keywords => ARRAY[%L])', :project, 'c', 'C', 'content-draft', repeat('k ', 500000)), 'VB030', NULL, 'a keyword of 1 MB, which would be a title');
SELECT throws_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L, target_article_count => 10000000)', :project, 'c', 'C', 'content-draft'), 'VB030', NULL, 'ten million tasks');
SELECT throws_ok(format('SELECT * FROM vibe.create_pipeline(%L, %L, %L)', 'deep', 'Deep', repeat('[', 2000) || repeat(']', 2000)), 'VB031', NULL, 'a deep definition that is none');
SELECT throws_ok(format('SELECT * FROM vibe.create_pipeline(%L, %L, %L)', 'many', 'Many',
    (SELECT jsonb_build_object('main_steps', jsonb_agg(jsonb_build_object('agent', 'agent-1', 'label', 'x', 'order', 5))) FROM generate_series(1, 2000))), 'VB031', NULL, 'thousands of steps in one place');

SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT t.task(:campaign) AS task \gset
SELECT token FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, 10000000)', :campaign), 'VB030', NULL, 'ten million more tasks');
SELECT ok(task_completed, 'a deep result and a long summary are taken')
  FROM vibe.complete_step(:task, 'agent-1', :'token', output => (repeat('[', 2000) || repeat(']', 2000))::jsonb, summary => repeat('s', 1000000));
SELECT is((SELECT length(summary) FROM vibe.runs WHERE task_id = :task), 10000, 'the summary is cut');

SELECT * FROM finish();
ROLLBACK;
