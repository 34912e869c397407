BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.acquire_lock(%s, %L)', :'task', 'agent-2'), 'VB012', NULL, 'the next step''s agent');
SELECT throws_ok(format('SELECT * FROM vibe.acquire_lock(%s, %L)', :'task', 'nobody'), 'VB004', NULL, 'an unknown agent');
SELECT throws_ok(format('SELECT * FROM vibe.acquire_lock(%s, NULL)', :'task'), 'VB004', NULL, 'NULL');
SELECT throws_ok('SELECT * FROM vibe.acquire_lock(-1, ''agent-1'')', 'VB003', NULL, 'an unknown task');

SELECT * FROM finish();
ROLLBACK;
