BEGIN;
SELECT plan(4);

SELECT count(*) FROM vibe.update_agent('vibe-humanizer', '{"default_model": null, "level": "lead"}'), vibe.set_agent_paused('vibe-humanizer', true) \g /dev/null
SELECT is(default_model || '|' || level || '|' || coalesce(paused_at::text, 'at work'), 'opus|specialist|at work') FROM vibe.reset_agent('vibe-humanizer');
SELECT is((SELECT count(*)::int FROM vibe.agent_overrides), 0, 'no row is left');
SELECT throws_ok($$SELECT * FROM vibe.reset_agent('agent-1')$$, 'VB030', NULL, 'an agent of one''s own');
SELECT throws_ok($$SELECT * FROM vibe.reset_agent('nobody')$$, 'VB004', NULL, 'no agent');

SELECT * FROM finish();
ROLLBACK;
