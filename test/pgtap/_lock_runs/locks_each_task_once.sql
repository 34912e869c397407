BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 2) AS c \gset
SELECT array_agg(r) AS runs FROM t.claim(4) r \gset
SELECT is(vibe._lock_runs(:'runs'), 2::bigint, 'four runs of two tasks');
SELECT is(vibe._lock_runs('{-1}'), 0::bigint, 'none of a run that is not there');

SELECT * FROM finish();
ROLLBACK;
