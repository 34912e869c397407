BEGIN;
SELECT plan(7);

SELECT is(r.channel || ' ' || r.enabled, 'in_app true', 'it is shown in the inbox') FROM vibe.register_notification_kind('deadline_near', 'A deadline is near.') r;
SELECT is((SELECT count(*) FROM vibe.notify('deadline_near', 'Tomorrow.')), 1::bigint, 'and can be told');
SELECT is(r.enabled, false, 'it can be changed') FROM vibe.register_notification_kind('deadline_near', 'A deadline is near.', false) r;
SELECT throws_ok($$SELECT * FROM vibe.register_notification_kind('task_blocked', 'x')$$, 'VB032', NULL, 'one that came with the extension stays');
SELECT throws_ok($$SELECT * FROM vibe.register_notification_kind('Two Words', 'x')$$, 'VB030', NULL, 'kind');
SELECT throws_ok($$SELECT * FROM vibe.register_notification_kind('x', '')$$, 'VB030', NULL, 'description');
SELECT throws_ok($$SELECT * FROM vibe.register_notification_kind('x', 'x', NULL)$$, 'VB030', NULL, 'in_app');

SELECT * FROM finish();
ROLLBACK;
