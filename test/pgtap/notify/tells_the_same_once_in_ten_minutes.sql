BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notify('budget_reached', 'x', dedup_key => 'k')), 1::bigint, 'the first time');
SELECT is((SELECT count(*) FROM vibe.notify('budget_reached', 'x', dedup_key => 'k')), 0::bigint, 'not again');
SELECT is((SELECT count(*) FROM vibe.notify('budget_reached', 'x', dedup_key => 'other')), 1::bigint, 'something else');
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notify('budget_reached', 'x', dedup_key => 'k')), 1::bigint, 'ten minutes later');

SELECT * FROM finish();
ROLLBACK;
