BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L)', :'task', 'agent-1'), 'VB013', NULL, 'nobody holds it');
SELECT run_id FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L)', :'task', 'agent-2'), 'VB012', NULL, 'wrong agent');
SELECT is(next_step, 2) FROM vibe.complete_step(:task, 'agent-1');
SELECT is(t.outcome(:run_id), 'done');

SELECT * FROM finish();
ROLLBACK;
