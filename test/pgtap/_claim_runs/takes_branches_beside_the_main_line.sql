BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0), t.branch('b', 0))))) AS c \gset
SELECT is((SELECT count(*)::int FROM t.claim(9)), 3);
SELECT is((SELECT string_agg(branch, ',' ORDER BY branch) FROM vibe.runs), ',a,b');

SELECT * FROM finish();
ROLLBACK;
