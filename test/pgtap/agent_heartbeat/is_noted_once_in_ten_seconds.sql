BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00:00+00') \g /dev/null
SELECT is(seen_at, '2030-01-01 12:00:00+00'::timestamptz, 'the first') FROM vibe.agent_heartbeat('agent-1');
SELECT ctid AS place FROM vibe.agent_heartbeats WHERE agent_name = 'agent-1' \gset
SELECT t.now('2030-01-01 12:00:09+00') \g /dev/null
SELECT is(seen_at, '2030-01-01 12:00:00+00'::timestamptz, 'a second within ten seconds') FROM vibe.agent_heartbeat('agent-1');
SELECT is(ctid, :'place'::tid, 'writes nothing') FROM vibe.agent_heartbeats WHERE agent_name = 'agent-1';
SELECT t.now('2030-01-01 12:00:10+00') \g /dev/null
SELECT is(seen_at, '2030-01-01 12:00:10+00'::timestamptz, 'the next') FROM vibe.agent_heartbeat('agent-1');
SELECT is(seen_at = last_active_at AND seen_at = '2030-01-01 12:00:10+00', true, 'it is shown') FROM vibe.get_agent('agent-1');
SELECT throws_ok($$SELECT * FROM vibe.agent_heartbeat('nobody')$$, 'VB004', NULL, 'no agent');

SELECT * FROM finish();
ROLLBACK;
