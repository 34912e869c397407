BEGIN;
SELECT plan(4);

SELECT vibe.set_notification_rule('task_blocked', 'telegram', true, collect_for => '1 minute'), vibe.set_notification_rule('task_completed', 'telegram', true, collect_for => '1 hour') \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.notify('task_blocked', 'one'), vibe.notify('task_completed', 'another kind') \g /dev/null
SELECT is((SELECT run FROM t.deliver()), NULL, 'not at once');
SELECT is(vibe._next_due(), timestamptz '2030-01-01 12:01+00', 'the dispatcher knows when');
SELECT t.now('2030-01-01 12:00:59+00') \g /dev/null
SELECT vibe.notify('task_blocked', 'two') \g /dev/null
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT is((SELECT string_agg(m.value ->> 'count', ' ') FROM t.deliver() d, jsonb_array_elements(d.messages) m), '2', 'what came meanwhile goes along');
SELECT is(vibe._next_due(), timestamptz '2030-01-01 13:00+00', 'what is of another kind does not');

SELECT * FROM finish();
ROLLBACK;
