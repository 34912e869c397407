BEGIN;
SELECT plan(14);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
CREATE FUNCTION pg_temp.is(agent text, wanted text, what text) RETURNS text LANGUAGE sql AS $$ SELECT is((SELECT status FROM vibe.get_agent(agent)), wanted, what) $$;
SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT pg_temp.is('agent-1', 'idle', 'nothing to say');
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SELECT pg_temp.is('agent-1', 'active', 'holds a run');
SELECT count(*) FROM vibe.set_agent_paused('agent-1', true) \g /dev/null
SELECT pg_temp.is('agent-1', 'active', 'also while it is paused');
SELECT count(*) FROM vibe.fail_step(:run, :'token', 'blocked') \g /dev/null
SELECT pg_temp.is('agent-1', 'offline', 'paused');
SELECT count(*) FROM vibe.set_agent_paused('agent-1', false) \g /dev/null
SELECT pg_temp.is('agent-1', 'blocked', 'its work waits for a person');
SELECT count(*) FROM vibe.retry_step(:task) \g /dev/null
SELECT pg_temp.is('agent-1', 'idle', 'no longer');
INSERT INTO vibe.agents (name, runner, created_at) VALUES ('elsewhere', 'unknown', now());
SELECT pg_temp.is('elsewhere', 'offline', 'its runner is unknown');
SELECT count(*) FROM vibe.agent_heartbeat('elsewhere') \g /dev/null
SELECT pg_temp.is('elsewhere', 'idle', 'it said that it lives');
SELECT t.now('2030-01-01 12:05+00') \g /dev/null
SELECT pg_temp.is('elsewhere', 'offline', 'five minutes ago is too long');
SELECT is((SELECT string_agg(name, ' ') FROM vibe.list_agents('offline')), 'elsewhere', 'of a status');
SELECT is((SELECT count(*)::int FROM vibe.list_agents()), (SELECT count(*)::int FROM vibe.agents), 'all');
SELECT throws_ok($$SELECT * FROM vibe.list_agents('asleep')$$, 'VB030', NULL, 'an unknown status');
SELECT is_empty($$SELECT * FROM vibe.get_agent('nobody') UNION ALL SELECT * FROM vibe.get_agent(NULL)$$, 'no agent, no row');
SET LOCAL ROLE vibe_viewer;
SELECT is((SELECT count(*)::int FROM vibe.list_agents('active')), 0, 'a viewer may look');

SELECT * FROM finish();
ROLLBACK;
