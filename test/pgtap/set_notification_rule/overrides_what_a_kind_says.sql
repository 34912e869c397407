BEGIN;
SELECT plan(6);

SELECT is(r.enabled || ' ' || r.is_default, 'true true', 'what came with the extension') FROM vibe.list_notification_rules() r WHERE r.kind = 'task_completed';
SELECT is(r.enabled || ' ' || r.is_default, 'false false', 'what was set') FROM vibe.set_notification_rule('task_completed', 'in_app', false) r;
SELECT is((SELECT count(*) FROM vibe.list_notification_rules() r WHERE r.kind = 'task_completed'), 1::bigint, 'one for each kind and channel');
SELECT is(r.collect_for, '2 min', 'a channel may collect') FROM vibe.set_notification_rule('task_completed', 'telegram', true, '2 min') r;
SELECT is(r.enabled || ' ' || r.collect_for, 'false 00:02:00', 'what is not given stays') FROM vibe.set_notification_rule('task_completed', 'telegram', false) r;
SELECT is((SELECT in_app FROM vibe.notification_kinds WHERE kind = 'task_completed'), true, 'the preset row is untouched');

SELECT * FROM finish();
ROLLBACK;
