BEGIN;
SELECT plan(9);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT is(paused_at, '2030-01-01 12:00+00'::timestamptz, 'since when') FROM vibe.set_agent_paused('agent-1', true);
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(paused_at, '2030-01-01 12:00+00'::timestamptz, 'a second call changes nothing') FROM vibe.set_agent_paused('agent-1', true);
SELECT is((SELECT count(*)::int FROM t.claim()), 0, 'nothing is claimed');
SELECT is(paused_at, NULL, 'until it is resumed') FROM vibe.set_agent_paused('agent-1', false);
SELECT is((SELECT count(*)::int FROM t.claim()), 1, 'then it is');
SELECT is((SELECT string_agg(kind || (detail ->> 'agent'), ' ' ORDER BY id) FROM vibe.activities WHERE kind LIKE 'agent\_%'), 'agent_pausedagent-1 agent_resumedagent-1', 'the feed tells both');
SELECT count(*) FROM vibe.set_agent_paused('vibe-humanizer', true) \g /dev/null
SELECT isnt((SELECT paused_at FROM vibe.agent_overrides WHERE agent_name = 'vibe-humanizer'), NULL, 'a preset agent is paused in a row of its own');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_paused('agent-1', NULL)$$, 'VB030', NULL, 'NULL');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_paused('nobody', true)$$, 'VB004', NULL, 'no agent');

SELECT * FROM finish();
ROLLBACK;
