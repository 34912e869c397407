BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS task \gset
SELECT run_id AS first, token FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT count(*) FROM vibe.request_revision(:task, 'again') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(%s, %s)', :'task', :'first'), 'VB020', NULL, 'while it is being done again');
SELECT run_id AS second, token FROM t.acquire(:task) \gset
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(%s, %s)', :'task', :'first'), 'VB011', NULL, 'the first result');
SELECT is(next_step, 2, 'the second one') FROM vibe.approve_step(:task, :second);
SELECT throws_ok('SELECT * FROM vibe.approve_step(-1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
