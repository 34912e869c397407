BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT run_id, run ->> 'token' AS token FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(r.renewed, false, 'it has no lease') FROM vibe.renew_lock(:run_id, :'token') r;
SELECT is((SELECT renewed_at FROM vibe.runs WHERE id = :run_id), NULL, 'and gets none');

SELECT * FROM finish();
ROLLBACK;
