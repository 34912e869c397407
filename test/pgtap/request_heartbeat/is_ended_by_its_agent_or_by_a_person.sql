BEGIN;
SELECT plan(9);

SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT run_id AS run, run ->> 'token' AS token FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(waiting_for, NULL, 'its agent gives up') FROM vibe.fail_step(:run, :'token', 'blocked', 'no right to do this');
SELECT throws_ok(format('SELECT vibe.get_run_input(%s, %L)', :run, :'token'), 'VB011', NULL, 'and may write no more');
SELECT is(requested, false, 'its process still lives') FROM vibe.request_heartbeat('agent-1');
SELECT t.finish(:run) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.chores), 0::bigint, 'until its end is recorded');
SELECT matches((SELECT message FROM vibe.activities WHERE kind = 'heartbeat_failed'), 'blocked: no right to do this', 'with what it had said');

SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT run_id AS run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(cancelled, true, 'a person cancels it') FROM vibe.cancel_run(:run);
SELECT is(cancelled, false, 'once') FROM vibe.cancel_run(:run);
SELECT is(ARRAY(SELECT vibe._unclaim_paused(ARRAY[:run]::bigint[])), ARRAY[:run]::bigint[], 'before it was started');
SELECT is((SELECT count(*) FROM vibe.chores), 0::bigint, 'then it is over');

SELECT * FROM finish();
ROLLBACK;
