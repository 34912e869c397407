BEGIN;
SELECT plan(4);

UPDATE vibe.agents SET max_parallel = 3 WHERE name = 'agent-1';
SELECT t.pipeline(1) AS pipeline \gset
SELECT count(t.campaign(:'pipeline', 4)) FROM generate_series(1, 3) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(12)), 3, 'three in all');
SELECT is((SELECT count(*)::int FROM t.claim(12)), 0, 'no more');
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 5)), 0, 'not for workers elsewhere either');
UPDATE vibe.runs SET closed_at = claimed_at, outcome = 'cancelled' WHERE id = (SELECT min(id) FROM vibe.runs);
SELECT is((SELECT count(*)::int FROM t.claim(12)), 0, 'a run counts until its process has ended');

SELECT * FROM finish();
ROLLBACK;
