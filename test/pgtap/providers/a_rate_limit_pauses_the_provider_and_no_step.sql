BEGIN;
SELECT plan(9);

SELECT t.now('2030-01-01 00:00:00Z') \g /dev/null
CREATE FUNCTION pg_temp.claim(n integer) RETURNS SETOF bigint LANGUAGE sql AS $$ SELECT run_id FROM vibe._claim_runs('{default}', ARRAY[n], n, '{anthropic}') $$;
SELECT t.campaign(t.pipeline(1), 5) AS campaign \gset
CREATE TEMP TABLE first AS SELECT run FROM pg_temp.claim(2) run;
SELECT t.finish((SELECT min(run) FROM first), 'rate_limited', jsonb_build_object('pauses_provider', true, 'resets_at', extract(epoch FROM timestamptz '2030-01-01 01:00:00Z')::bigint)) \g /dev/null
SELECT is((SELECT string_agg(state || attempts, ' ' ORDER BY task_id) FROM vibe.work), 'ready0 held0 ready0 ready0 ready0', 'its step is ready again and used no attempt');
SELECT ok(paused_until BETWEEN '2030-01-01 01:00:00Z' AND '2030-01-01 01:00:01Z', 'paused until the reset and a little jitter') FROM vibe.list_providers();
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 0, 'nothing starts meanwhile');
SELECT is((SELECT count(*)::int FROM t.claim(1)), 1, 'but on another provider');
SELECT ok(vibe._next_due() BETWEEN '2030-01-01 01:00:00Z' AND '2030-01-01 01:00:01Z', 'the dispatcher looks again when it is over');
SELECT t.now('2030-01-01 01:00:02Z') \g /dev/null
CREATE TEMP TABLE probe AS SELECT run FROM pg_temp.claim(5) run;
SELECT is((SELECT count(*)::int FROM probe), 1, 'then one goes first');
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 0, 'alone');
SELECT t.finish((SELECT run FROM probe)) \g /dev/null
SELECT is((SELECT count(*)::int FROM pg_temp.claim(5)), 2, 'and when it went well the others follow');
SELECT is((SELECT paused_since FROM vibe.list_providers()), NULL, 'the pause is forgotten');

SELECT * FROM finish();
ROLLBACK;
