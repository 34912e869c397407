BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_provider_limit('anthropic', 4), vibe.pause_provider('anthropic', '2030-01-01 13:00+00') \g /dev/null
SELECT matches(t.health('providers'), '^warn: paused: anthropic until 2030-01-01 ');
SELECT vibe.resume_provider('anthropic') \g /dev/null
SELECT is(t.health('providers'), 'ok: none is paused');
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true), vibe.notify('task_blocked', 'x') \g /dev/null
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT is(t.health('outbox'), 'ok: 0 deliveries overdue');
SELECT t.now('2030-01-01 12:10:01+00') \g /dev/null
SELECT is(t.health('outbox'), 'warn: 1 deliveries overdue');
SELECT isnt_empty((SELECT substring(h.next_step, '^SELECT [^;]+') FROM vibe.health() h WHERE h.check_name = 'outbox'), 'the hint shows it');
SELECT is(t.health('notify queue'), 'ok: 0.0 % used');

SELECT * FROM finish();
ROLLBACK;
