BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS task \gset
SELECT token FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.retry_step(%s)', :'task'), 'VB010', NULL, 'a step that is being done');
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.retry_step(%s)', :'task'), 'VB020', NULL, 'a gate');
SELECT throws_ok(format('SELECT * FROM vibe.retry_step(%s, %L)', :'task', 'Nowhere'), 'VB007', NULL, 'a branch that is not there');
SELECT throws_ok('SELECT * FROM vibe.retry_step(-1)', 'VB003', NULL, 'a task that is not there');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.retry_step(%s)', :'task'), 'VB007', NULL, 'a task that has ended');

SELECT * FROM finish();
ROLLBACK;
