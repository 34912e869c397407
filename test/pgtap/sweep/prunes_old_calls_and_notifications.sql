BEGIN;
SELECT plan(3);

SELECT vibe.register_service('a', 'email'), vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.log_service_call('a', 'failed'), vibe.notify('task_blocked', 'old') \g /dev/null
SELECT t.now('2030-01-31 12:00+00') \g /dev/null
SELECT vibe.log_service_call('a', 'success'), vibe.notify('task_blocked', 'new') \g /dev/null
SELECT t.now('2030-01-31 12:01+00') \g /dev/null
SELECT vibe.sweep() \g /dev/null
SELECT is((SELECT array_agg(status) FROM vibe.list_service_calls()), '{success}', 'calls after 30 days');
SELECT t.now('2030-04-01 12:01+00') \g /dev/null
SELECT vibe.sweep() \g /dev/null
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications()), '{new}', 'notifications after 90');
SELECT is((SELECT count(*) FROM vibe.deliveries), 1::bigint, 'with what was to be sent of them');

SELECT * FROM finish();
ROLLBACK;
