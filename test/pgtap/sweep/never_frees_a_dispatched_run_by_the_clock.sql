BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.claim() AS run \gset
SELECT t.now('2040-01-01 12:00+00') \g /dev/null
SELECT is(row(s.stale_locks_released, s.dispatched_runs_lost)::text, '(0,0)', 'ten years later, at the first sweep that misses the dispatcher') FROM vibe.sweep() s;
SELECT is((SELECT count(*)::int FROM vibe.find_stale_locks('1 second')), 0, 'it has no lease');

SELECT * FROM finish();
ROLLBACK;
