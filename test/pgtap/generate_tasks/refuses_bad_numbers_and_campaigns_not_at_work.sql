BEGIN;
SELECT plan(9);

SELECT (vibe.create_project('p', 'P')).id AS project, t.campaign(t.pipeline(1)) AS c \gset
SELECT id AS planned FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => 'content-draft') \gset
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, %s)', :'c', n), 'VB030', NULL, n) FROM unnest(ARRAY['0', '-1', 'NULL', '10000000']) n;
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, 1000000)', :'c'), 'VB034', NULL, 'a million more than there are');
SELECT throws_ok('SELECT * FROM vibe.generate_tasks(-1, 1)', 'VB002', NULL, 'no such campaign');
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, 1)', :'planned'), 'VB021', NULL, 'not activated');
SELECT t.done(t.task(:c)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.generate_tasks(%s, 1)', :'c'), 'VB021', NULL, 'completed');
SELECT is((SELECT count(*)::int FROM vibe.tasks), 1, 'nothing was created');

SELECT * FROM finish();
ROLLBACK;
