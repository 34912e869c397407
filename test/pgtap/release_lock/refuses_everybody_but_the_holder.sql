BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.release_lock(%s, %L, NULL)', :'task', 'agent-1'), 'VB013', NULL, 'nobody holds it');
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.release_lock(%s, %L, %L)', :'task', 'agent-2', :'token'), 'VB012', NULL, 'another agent');
SELECT throws_ok(format('SELECT * FROM vibe.release_lock(%s, %L, %L)', :'task', 'agent-1', 'guess'), 'VB011', NULL, 'a guessed token');
SELECT throws_ok('SELECT * FROM vibe.release_lock(-1, ''agent-1'', NULL)', 'VB003', NULL, 'no such task');
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.release_lock(%s, %L, %L)', :'task', 'agent-1', :'token'), 'VB011', NULL, 'a step that is done is not given back');
SELECT is(t.work(:task), '2 ready', 'the step after it is untouched');

SELECT * FROM finish();
ROLLBACK;
