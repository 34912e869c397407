BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(3))) AS task \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.fail_step(:run_id, :'token', 'failed', retry_after => '0') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'token'), 'VB011', NULL, 'failed');
SELECT run_id AS cancelled, token AS token2 FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.cancel_run(:cancelled) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'token2'), 'VB011', NULL, 'cancelled');
SELECT count(*) FROM vibe.retry_step(:task) \g /dev/null
SELECT token AS token3 FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token3') \g /dev/null
SELECT token AS token4 FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-2', :'token4'), 'VB011', NULL, 'stopped by a revision');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'token3'), 'VB011', NULL, 'done, but superseded by a revision');
SELECT token AS token5 FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'token5'), 'VB011', NULL, 'its task is cancelled');
SELECT is(t.status(:task), 'cancelled');

SELECT * FROM finish();
ROLLBACK;
