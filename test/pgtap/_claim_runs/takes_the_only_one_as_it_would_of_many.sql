BEGIN;
SELECT plan(7);

CREATE FUNCTION pg_temp.only(free integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT vibe._take_the_only_one(w.task_id, w.branch, '{default}', ARRAY[free], '{acme}')::text
                       FROM vibe.work w WHERE w.state = 'ready'), '{}') $$;
CREATE FUNCTION pg_temp.of_many(free integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT vibe._take(vibe._choose(vibe._able_agents('{default}', ARRAY[free], '{acme}', '{NULL}', NULL, 1, now()), '{}', 1, 0), 1)::text $$;

SELECT is(pg_temp.only(), '{}', 'where nothing is ready nothing is taken');
SELECT t.campaign(t.pipeline(1)) AS c \gset
UPDATE vibe.campaigns SET run_budget_usd = 0.25 WHERE id = :c;
SELECT is(pg_temp.only(), pg_temp.of_many(), 'the only step is taken like the first of many');
SELECT matches(pg_temp.only(), ',default,acme,0.25\)', 'with its runner, provider and reserve');
SELECT is(pg_temp.only(0), '{}', 'not where its runner has no slot');
UPDATE vibe.agents SET paused_at = now();
SELECT is(pg_temp.only(), '{}', 'not for a paused agent');
UPDATE vibe.agents SET paused_at = NULL;
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(pg_temp.only(), '{}', 'not of a paused campaign');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
SELECT is(vibe._unlimited_agents('{default}', '{3}', '{acme}', NULL, 5), vibe._able_agents('{default}', '{3}', '{acme}', '{NULL}', NULL, 5, now()),
    'without limits the same agents are able');

SELECT * FROM finish();
ROLLBACK;
