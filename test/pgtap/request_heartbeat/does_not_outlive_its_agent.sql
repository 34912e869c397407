BEGIN;
SELECT plan(5);

SELECT vibe.register_agent('short-lived'), vibe.request_heartbeat('short-lived') \g /dev/null
SELECT run_id AS run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
DELETE FROM vibe.agents WHERE name = 'short-lived';
SELECT vibe.register_agent('short-lived'), vibe.request_heartbeat('short-lived') \g /dev/null
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{1}', 1)), 0::bigint, 'another of that name waits for its end');
SELECT is(accepted, true, 'its run ends as any other') FROM t.finish(:run);
SELECT isnt((SELECT ended_at FROM vibe.runs WHERE id = :run), NULL, 'for good');
SELECT is((SELECT count(*) FROM vibe.chores WHERE run_id IS NOT NULL), 0::bigint, 'and holds nothing');
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{1}', 1)), 1::bigint, 'then the other one starts');

SELECT * FROM finish();
ROLLBACK;
