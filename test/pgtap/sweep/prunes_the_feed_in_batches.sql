BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT count(vibe._record('old', 'x', NULL, NULL, NULL)) FROM generate_series(1, 10500) \g /dev/null
SELECT t.now('2030-04-01 12:00+00') \g /dev/null
SELECT vibe._record('new', 'x', NULL, NULL, NULL) \g /dev/null
SELECT is(activities_pruned, 0::bigint, 'after 90 days, not with them') FROM vibe.sweep();
SELECT t.now('2030-04-01 12:00:01+00') \g /dev/null
SELECT is(activities_pruned, 10000::bigint) FROM vibe.sweep();
SELECT is(activities_pruned, 500::bigint) FROM vibe.sweep();
SELECT is((SELECT string_agg(kind, ',') FROM vibe.activities), 'new');
SELECT is(vibe._prune_activities('0', '2040-01-01') + vibe._prune_notifications('0', '2040-01-01') + vibe._prune_runs('0'), 0::bigint, 'zero keeps all');
SELECT is(vibe._prune_activities('1 hour', '2030-04-01 13:00:01+00'), 1::bigint);

SELECT * FROM finish();
ROLLBACK;
