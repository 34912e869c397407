BEGIN;
SELECT plan(5);

CREATE FUNCTION pg_temp.claim(n integer) RETURNS SETOF bigint LANGUAGE sql AS $$ SELECT run_id FROM vibe._claim_runs('{default}', ARRAY[n], n, '{anthropic}') $$;
CREATE FUNCTION pg_temp.pause() RETURNS numeric LANGUAGE sql AS $$ SELECT round(extract(epoch FROM paused_until - paused_since) / 60) FROM vibe.list_providers() $$;
SELECT t.campaign(t.pipeline(1), 5) AS campaign \gset
SELECT t.now('2030-01-01 00:00:00Z') \g /dev/null
CREATE TEMP TABLE burst AS SELECT run FROM pg_temp.claim(3) run;
SELECT count(t.finish(run, 'rate_limited', '{"pauses_provider": true}')) FROM burst \g /dev/null
SELECT is(pg_temp.pause(), 5::numeric, 'five minutes, however many were turned away together');
SELECT t.now('2030-01-01 00:06:00Z') \g /dev/null
SELECT t.finish(run, 'rate_limited', '{"pauses_provider": true}') FROM pg_temp.claim(1) run \g /dev/null
SELECT is(pg_temp.pause(), 10::numeric, 'ten when the probe is turned away');
SELECT t.now('2030-01-01 00:20:00Z') \g /dev/null
SELECT t.finish(run, 'rate_limited', '{"pauses_provider": true, "retry_after_s": 60}') FROM pg_temp.claim(1) run \g /dev/null
SELECT is(pg_temp.pause(), 1::numeric, 'as long as the provider says, if it does');
SELECT t.now('2030-01-01 12:00:00Z') \g /dev/null
UPDATE vibe.providers SET pauses_in_a_row = 9;
SELECT t.finish(run, 'rate_limited', '{"pauses_provider": true}') FROM pg_temp.claim(1) run \g /dev/null
SELECT is(pg_temp.pause(), 60::numeric, 'an hour at most');
SELECT is((SELECT max(attempts)::int FROM vibe.work), 0, 'no attempt is used');

SELECT * FROM finish();
ROLLBACK;
