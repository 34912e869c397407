BEGIN;
SELECT plan(7);

SELECT is(max_parallel, 2, 'a limit is set') FROM vibe.set_provider_limit('anthropic', 2);
SELECT t.campaign(t.pipeline(1), 9) AS campaign \gset
CREATE FUNCTION pg_temp.claim(n integer) RETURNS TABLE (runner text) LANGUAGE sql
    AS $$ SELECT runner FROM vibe._claim_runs('{default,other}', ARRAY[n, n], n, '{anthropic,openai}', '{other,NULL}') $$;
SELECT is((SELECT string_agg(runner, ' ') FROM pg_temp.claim(3)), 'default default', 'and kept across runners; a full provider has no stand-in');
SELECT is(running, 2::bigint, 'list_providers counts') FROM vibe.list_providers() WHERE name = 'anthropic';
SELECT vibe.pause_provider('anthropic') \g /dev/null
SELECT is((SELECT string_agg(runner, ' ') FROM pg_temp.claim(2)), 'other other', 'a paused one has');
SELECT is((SELECT string_agg(provider, ' ' ORDER BY id) FROM vibe.runs), 'anthropic anthropic openai openai', 'and the run knows its provider');
SELECT vibe.pause_provider('openai') \g /dev/null
SELECT is((SELECT count(*)::int FROM pg_temp.claim(2)), 0, 'unless that is paused, too');
SELECT is(max_parallel, NULL, 'a limit is taken away') FROM vibe.set_provider_limit('anthropic', NULL);

SELECT * FROM finish();
ROLLBACK;
