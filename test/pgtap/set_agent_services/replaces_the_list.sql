BEGIN;
SELECT plan(6);

SELECT is((SELECT string_agg(capability || ' ' || required, ', ' ORDER BY capability) FROM vibe.set_agent_services('agent-1', '{email}', '{cms}')), 'cms false, email true', 'both kinds');
SELECT is((SELECT string_agg(capability || ' ' || required, ', ' ORDER BY capability) FROM vibe.set_agent_services('agent-1', '{cms}')), 'cms true', 'what is not named goes');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_services('agent-1', '{email}', '{email}')$$, 'VB030', NULL, 'one twice');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_services('agent-1', '{no_such}')$$, 'VB070', NULL, 'an unknown capability');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_services('no-such')$$, 'VB004', NULL, 'an unknown agent');
SELECT is_empty($$SELECT * FROM vibe.set_agent_services('agent-1')$$, 'nothing named leaves nothing');

SELECT * FROM finish();
ROLLBACK;
