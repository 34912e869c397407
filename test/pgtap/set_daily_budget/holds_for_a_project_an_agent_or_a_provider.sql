BEGIN;
SELECT plan(7);

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 9) AS one, t.campaign(:'pipeline', 9) AS two \gset
SELECT project_id AS project FROM vibe.campaigns WHERE id = :one \gset
CREATE FUNCTION pg_temp.claimed() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(n::text, ' ' ORDER BY campaign_id) FROM (SELECT r.campaign_id, count(*) AS n FROM vibe.runs r WHERE r.ended_at IS NULL GROUP BY 1) n $$;
CREATE FUNCTION pg_temp.claim(n integer) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM vibe._claim_runs('{default}', ARRAY[n], n, '{anthropic}', '{NULL}') $$;
SELECT count(*) FROM vibe.set_run_budget(0.5) \g /dev/null
SELECT count(*) FROM vibe.set_daily_budget(1, project_id => :project) \g /dev/null
SELECT pg_temp.claim(6) \g /dev/null
SELECT is(pg_temp.claimed(), '2 4', 'a project: its own runs only');
SELECT count(*) FROM vibe.set_daily_budget(3.9, provider => 'anthropic') \g /dev/null
SELECT pg_temp.claim(9) \g /dev/null
SELECT is(pg_temp.claimed(), '2 5', 'a provider');
SELECT count(*) FROM vibe.set_daily_budget(NULL, provider => 'anthropic') \g /dev/null
SELECT count(*) FROM vibe.set_daily_budget(4.5, agent_name => 'agent-1') \g /dev/null
SELECT pg_temp.claim(9) \g /dev/null
SELECT is(pg_temp.claimed(), '2 7', 'an agent');
SELECT matches(next_call, $$set_daily_budget\(usd => …, agent_name => 'agent-1'\)$$) FROM vibe.why(t.task(:two, 9));
SELECT count(*) FROM vibe.set_daily_budget(NULL, agent_name => 'agent-1') \g /dev/null
SELECT matches(reason, 'for project ' || :project) FROM vibe.why(t.task(:one, 9));
UPDATE vibe.tasks SET campaign_id = NULL WHERE campaign_id = :one;
UPDATE vibe.work SET campaign_id = 0 WHERE campaign_id = :one;
UPDATE vibe.work SET priority = 0 WHERE campaign_id = 0;
SELECT is(pg_temp.claim(3), 2::bigint, 'a task without a campaign keeps to its project''s, and holds nobody up');
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE campaign_id = 0), 0);

SELECT * FROM finish();
ROLLBACK;
