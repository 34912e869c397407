BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c, t.claim() AS run \gset
SELECT t.claim() AS run \gset
UPDATE vibe.home SET identity = 'elsewhere';
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT t.now('2031-01-01 12:00+00') \g /dev/null
SELECT is(dispatched_runs_lost, 0::bigint) FROM vibe.sweep();
SELECT is(t.outcome(:run), NULL, 'only take_over() knows better');

SELECT * FROM finish();
ROLLBACK;
