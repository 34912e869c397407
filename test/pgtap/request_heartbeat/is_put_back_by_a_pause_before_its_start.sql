BEGIN;
SELECT plan(3);

SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT run_id AS run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
UPDATE vibe.agents SET paused_at = now() WHERE name = 'agent-1';
SELECT is(ARRAY(SELECT vibe._unclaim_paused(ARRAY[:run]::bigint[])), ARRAY[:run]::bigint[], 'it is not started');
SELECT is(t.outcome(:run), 'cancelled', 'its run is closed');
UPDATE vibe.agents SET paused_at = NULL WHERE name = 'agent-1';
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{1}', 1)), 1::bigint, 'and it starts after the pause');

SELECT * FROM finish();
ROLLBACK;
