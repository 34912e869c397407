BEGIN;
SELECT plan(6);

SELECT is(requested, true, 'the first call') FROM vibe.request_heartbeat('agent-1', 'look at the backlog');
SELECT is(requested, false, 'one waits already') FROM vibe.request_heartbeat('agent-1');
SELECT is((SELECT format('%s %s %s', agent, step, waits_for) FROM vibe.queue WHERE task_id IS NULL), 'agent-1 heartbeat ready', 'the queue shows it');
SELECT run_id AS run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(requested, false, 'one is under way') FROM vibe.request_heartbeat('agent-1');
SELECT throws_ok($$SELECT * FROM vibe.request_heartbeat('nobody')$$, 'VB004', NULL, 'no such agent');
SELECT throws_ok($$SELECT * FROM vibe.request_heartbeat('agent-1', repeat('x', 10001))$$, 'VB030', NULL, 'too long a note');

SELECT * FROM finish();
ROLLBACK;
