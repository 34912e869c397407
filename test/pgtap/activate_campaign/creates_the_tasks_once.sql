BEGIN;
SELECT plan(6);

SELECT t.pipeline(2) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT is(a.status || ' ' || a.tasks_created, 'active 3', 'the first call creates them') FROM vibe.activate_campaign(:c) a;
SELECT is(a.status || ' ' || a.tasks_created, 'active 0', 'the second call creates nothing') FROM vibe.activate_campaign(:c) a;
SELECT results_eq(format('SELECT number, title, slug, status, step, priority FROM vibe.tasks WHERE campaign_id = %s ORDER BY number', :'c'),
    $$VALUES (1, 'C #1', 'task-1', 'backlog', 1, 'medium'), (2, 'C #2', 'task-2', 'backlog', 1, 'medium'), (3, 'C #3', 'task-3', 'backlog', 1, 'medium')$$, 'numbered and titled');
SELECT is((SELECT string_agg(DISTINCT step || state || agent_name || campaign_id, ',') FROM vibe.work), '1readyagent-1' || :'c', 'their first step is ready: the start has no agent and is passed');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'campaign_activated' AND campaign_id = :c), 1, 'one line of history');
SELECT throws_ok('SELECT * FROM vibe.activate_campaign(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
