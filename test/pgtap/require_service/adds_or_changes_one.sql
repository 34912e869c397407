BEGIN;
SELECT plan(6);

SELECT is(required, true, 'required unless it is said otherwise') FROM vibe.require_service('agent-1', 'email');
SELECT is(required, false, 'said again, it is changed') FROM vibe.require_service('agent-1', 'email', false);
SELECT is((SELECT count(*) FROM vibe.agent_services), 1::bigint, 'one row');
SELECT throws_ok($$SELECT * FROM vibe.require_service('no-such', 'email')$$, 'VB004', NULL, 'an unknown agent');
SELECT throws_ok($$SELECT * FROM vibe.require_service('agent-1', 'no_such')$$, 'VB070', NULL, 'an unknown capability');
SELECT throws_ok($$SELECT * FROM vibe.require_service('agent-1', 'email', NULL)$$, 'VB030', NULL, 'neither');

SELECT * FROM finish();
ROLLBACK;
