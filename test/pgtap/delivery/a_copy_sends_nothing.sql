BEGIN;
SELECT plan(6);

SELECT is((SELECT count(*) FROM vibe.home), 0::bigint, 'no home is noted');
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT is(vibe._is_home(), true, 'a rule for a channel notes it');
SELECT vibe.notify('task_blocked', 'waits', 'a'), vibe.notify('task_blocked', 'is being sent', 'b') \g /dev/null
SELECT run FROM t.deliver() \gset
SELECT vibe.notify('task_blocked', 'waits', 'c') \g /dev/null
UPDATE vibe.home SET identity = 'elsewhere';
UPDATE vibe.chores SET run_id = NULL;
SELECT is((SELECT run FROM t.deliver()), NULL, 'a copy');
UPDATE vibe.chores SET run_id = :run;
SELECT is(runs_lost, 1::bigint, 'the notifier ran elsewhere') FROM vibe.take_over();
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM vibe.deliveries), 'dropped', 'what was on its way is dropped');
SELECT is((SELECT run_id FROM vibe.chores), NULL, 'and the channel is free');

SELECT * FROM finish();
ROLLBACK;
