BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 00:00:00Z') \g /dev/null
CREATE FUNCTION pg_temp.claim(n integer) RETURNS SETOF bigint LANGUAGE sql AS $$ SELECT run_id FROM vibe._claim_runs('{default}', ARRAY[n], n, '{anthropic}') $$;
SELECT t.campaign(t.pipeline(1), 5) AS campaign \gset
SELECT vibe.pause_provider('anthropic', '2030-01-01 00:10:00Z') \g /dev/null
SELECT t.now('2030-01-01 00:10:00Z') \g /dev/null
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 1, 'the probe');
SELECT t.now('2030-01-01 00:10:02Z') \g /dev/null
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 0, 'nobody else yet');
SELECT is(vibe._next_due(), '2030-01-01 00:10:03Z', 'the dispatcher knows when');
SELECT t.now('2030-01-01 00:10:03Z') \g /dev/null
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 4, 'then all');

SELECT * FROM finish();
ROLLBACK;
