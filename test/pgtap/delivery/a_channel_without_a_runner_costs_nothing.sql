BEGIN;
SELECT plan(3);

SELECT vibe.set_notification_rule('task_blocked', 'pager', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'event') \g /dev/null
SELECT is((SELECT run FROM t.deliver('telegram')), NULL, 'another channel has nothing to do');
SELECT is((SELECT count(*) FROM vibe.chores), 0::bigint, 'and nothing waits for the one that is not there');
SELECT is(vibe._next_due(), NULL, 'nor does the dispatcher');

SELECT * FROM finish();
ROLLBACK;
