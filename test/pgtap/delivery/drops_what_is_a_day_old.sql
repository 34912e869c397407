BEGIN;
SELECT plan(3);

SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.notify('task_blocked', 'old') \g /dev/null
SELECT t.now('2030-01-02 12:01+00') \g /dev/null
SELECT is((SELECT run FROM t.deliver()), NULL, 'nothing is left to send');
SELECT is(t.outbox(), 'dropped 0 0', 'it is said');
SELECT vibe.notify('task_blocked', 'new') \g /dev/null
SELECT is((SELECT messages #>> '{0,text}' FROM t.deliver()), 'new', 'what is new is sent');

SELECT * FROM finish();
ROLLBACK;
