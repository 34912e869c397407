BEGIN;
SELECT plan(9);

SELECT vibe.register_service('a', 'email') \g /dev/null
SET LOCAL ROLE vibe_viewer;
SELECT is(service, 'a', 'a viewer looks at a chain') FROM vibe.resolve_service('email');
SELECT is(name, 'a', 'and at the services') FROM vibe.list_services();
SELECT isnt_empty('SELECT * FROM vibe.agent_service_status()', 'and at what agents lack');
SELECT throws_ok($$SELECT * FROM vibe.notify('task_blocked', 'x')$$, '42501', NULL, 'but tells nobody');
SET LOCAL ROLE vibe_operator;
SELECT is((SELECT count(*) FROM vibe.notify('task_blocked', 'x')), 1::bigint, 'an operator does');
SELECT is(enabled, true, 'and says what goes where') FROM vibe.set_notification_rule('task_blocked', 'telegram', true);
SELECT throws_ok($$SELECT * FROM vibe.register_service('b', 'email')$$, '42501', NULL, 'but registers no service');
SET LOCAL ROLE vibe_admin;
SELECT is(name, 'b', 'an admin does') FROM vibe.register_service('b', 'email');
SET LOCAL ROLE vibe_agent;
SELECT throws_ok('SELECT * FROM vibe.list_notifications()', '42501', NULL, 'an agent reads no notification');

SELECT * FROM finish();
ROLLBACK;
