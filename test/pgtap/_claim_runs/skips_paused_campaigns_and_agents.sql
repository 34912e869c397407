BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS c, t.campaign(t.pipeline(2, '{}', '{"1": {"agent": "agent-5"}}'), 2) AS d \gset
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
UPDATE vibe.agents SET paused_at = now() WHERE name = 'agent-5';
SELECT is_empty('SELECT t.claim(9)', 'nothing is left');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(9)), 2, 'the campaign is back');
UPDATE vibe.agents SET paused_at = NULL WHERE name = 'agent-5';
INSERT INTO vibe.agent_overrides (agent_name, paused_at) VALUES ('agent-5', now());
SELECT is_empty('SELECT t.claim(9)', 'a pause kept beside the agent counts as well');
DELETE FROM vibe.agent_overrides;
SELECT is((SELECT count(*)::int FROM t.claim(9)), 2, 'the agent is back');

SELECT * FROM finish();
ROLLBACK;
