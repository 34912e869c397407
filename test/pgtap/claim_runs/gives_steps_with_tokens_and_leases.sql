BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(2), 3) AS campaign \gset
CREATE TEMP TABLE got AS SELECT * FROM vibe.claim_runs('{agent-1,agent-2}', 2);
SELECT is((SELECT count(*)::int FROM got), 2, 'as many as asked for');
SELECT is((SELECT array_agg(DISTINCT step) FROM got), '{1}', 'the first step');
SELECT is((SELECT count(DISTINCT lock_token)::int FROM got), 2, 'each with a token of its own');
SELECT ok((SELECT bool_and(input ->> 'prompt' LIKE '%agent-1%' AND NOT input ? 'token') FROM got), 'with what the agent is to know');
SELECT is((SELECT count(*)::int FROM vibe.runs r JOIN got ON got.run_id = r.id WHERE r.started_by = 'hand' AND r.renewed_at IS NOT NULL), 2, 'and a lease');
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 9)), 1, 'the rest');
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 9)), 0, 'no row when there is nothing to do');
SELECT ok(renewed, 'the token renews') FROM got, vibe.renew_lock(run_id, lock_token) LIMIT 1;

SELECT * FROM finish();
ROLLBACK;
