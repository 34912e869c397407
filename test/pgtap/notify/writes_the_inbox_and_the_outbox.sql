BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true), vibe.set_notification_rule('task_blocked', 'webhook', true, '5 min'),
       vibe.set_notification_rule('task_blocked', 'file', false) \g /dev/null
SELECT is(n.recipient || '|' || n.message || '|' || (n.detail ->> 'a'), 'ann|Look at this.|1', 'what was told') FROM vibe.notify('task_blocked', 'Look at this.', 'ann', detail => '{"a": 1}') n;
SELECT is((SELECT string_agg(channel || ' ' || state || ' ' || attempts || ' ' || (next_attempt_at - '2030-01-01 12:00+00'), ', ' ORDER BY channel) FROM vibe.deliveries),
    'telegram pending 0 00:00:00, webhook pending 0 00:05:00', 'a row per channel whose rule is enabled, due when its rule says');
SELECT vibe.set_notification_rule('task_blocked', 'in_app', false) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notify('task_blocked', 'Not shown.')), 1::bigint, 'without the inbox');
SELECT is((SELECT count(*) FROM vibe.list_notifications()), 1::bigint, 'it is not shown there');
SELECT is((SELECT count(*) FROM vibe.deliveries), 4::bigint, 'but sent');
SELECT vibe.set_notification_rule('task_blocked', channel, false) FROM unnest(ARRAY['telegram', 'webhook']) channel \g /dev/null
SELECT is_empty($$SELECT * FROM vibe.notify('task_blocked', 'Nobody.')$$, 'where nobody wants it, nothing is written');

SELECT * FROM finish();
ROLLBACK;
