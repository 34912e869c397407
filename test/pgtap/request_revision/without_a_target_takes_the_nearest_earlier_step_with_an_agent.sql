BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(4, '{}', '{"2": {"agent": null}}'))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task), '3 ready');
SELECT is(next_step, 1, 'the one without an agent is no target') FROM vibe.request_revision(:task, 'again');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, 2)', :'task', 'again'), 'VB007', NULL, 'not even by name');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L)', :'task', 'again'), 'VB007', NULL, 'nothing is before the first');

SELECT * FROM finish();
ROLLBACK;
