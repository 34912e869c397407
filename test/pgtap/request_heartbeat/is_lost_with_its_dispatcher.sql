BEGIN;
SELECT plan(4);

SELECT vibe.request_heartbeat('agent-1'), vibe.request_heartbeat('agent-2') \g /dev/null
SELECT run_id AS run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT vibe._mark_started(ARRAY[:run]::bigint[], '{1}', '{1}', 'boot', 'ns') \g /dev/null
SELECT is(vibe._lose_dispatched_runs('there was no dispatcher for too long', true, vibe.clock()), 1::bigint, 'what ran is lost');
SELECT is(t.outcome(:run), 'lost', 'for good');
SELECT is((SELECT string_agg(name, ', ') FROM vibe.chores), 'heartbeat agent-2', 'and over; what waits goes on waiting');
SELECT is((SELECT count(*) FROM vibe.activities WHERE kind = 'heartbeat_failed'), 1::bigint, 'the feed says so');

SELECT * FROM finish();
ROLLBACK;
