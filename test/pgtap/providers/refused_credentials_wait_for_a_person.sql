BEGIN;
SELECT plan(6);

CREATE FUNCTION pg_temp.claim(n integer) RETURNS SETOF bigint LANGUAGE sql AS $$ SELECT run_id FROM vibe._claim_runs('{default}', ARRAY[n], n, '{anthropic}') $$;
SELECT t.campaign(t.pipeline(1), 3) AS campaign \gset
SELECT t.finish(run, 'auth', '{"error": "401"}') FROM pg_temp.claim(1) run \g /dev/null
SELECT is((SELECT paused_until FROM vibe.list_providers()), 'infinity', 'the provider is paused for good');
SELECT is((SELECT count(*)::int FROM vibe.work WHERE state = 'ready'), 3, 'no task is blocked');
SELECT is(vibe._next_due(), NULL, 'no clock ends it');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'provider_paused'), 1, 'the feed says so');
SELECT ok(resumed, 'a person does') FROM vibe.resume_provider('anthropic');
SELECT is((SELECT count(*)::int FROM pg_temp.claim(3)), 3, 'and all goes on');

SELECT * FROM finish();
ROLLBACK;
