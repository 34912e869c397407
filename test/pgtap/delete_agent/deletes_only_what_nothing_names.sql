BEGIN;
SELECT plan(6);

SELECT count(*) FROM vibe.register_agent('mine'), vibe.register_skill('s', 'S', 's') \g /dev/null
SELECT count(*) FROM vibe.set_agent_skills('mine', '{s}'), vibe.agent_heartbeat('mine') \g /dev/null
SELECT is(agent_name, 'mine') FROM vibe.delete_agent('mine');
SELECT is((SELECT count(*)::int FROM vibe.agent_skills) + (SELECT count(*)::int FROM vibe.agent_heartbeats), 0, 'with what hung on it');
SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(1)) \gset
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(1, '{}', '{"1": {"agent": "agent-2"}}')) \g /dev/null
SELECT throws_ok($$SELECT * FROM vibe.delete_agent('agent-1')$$, 'VB033', NULL, 'an earlier version names it');
SELECT throws_ok($$SELECT * FROM vibe.delete_agent('vibe-orchestrator')$$, 'VB033', NULL, 'it came with the extension');
SELECT throws_ok($$SELECT * FROM vibe.delete_agent('mine')$$, 'VB004', NULL, 'no agent');
SELECT is(agent_name, 'agent-8', 'of no pipeline') FROM vibe.delete_agent('agent-8');

SELECT * FROM finish();
ROLLBACK;
