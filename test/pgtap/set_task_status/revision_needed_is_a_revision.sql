BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(row(status, step, revision_count, rejection_notes)::text, '(revision_needed,1,1,"too short")') FROM vibe.set_task_status(t.task(:c), 'revision_needed', 'too short');
SELECT is(t.work(t.task(:c)), '1 ready', 'the step before is ready');
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'revision_needed')$$, t.task(:c, 2)), 'VB030', NULL, 'a reason is wanted');
SELECT count(*) FROM vibe.set_task_status(t.task(:c), 'blocked') \g /dev/null
SELECT is(row(status, state, revision_count)::text, '(revision_needed,ready,1)', 'left from blocked it is the one that was asked for') FROM vibe.set_task_status(t.task(:c), 'revision_needed');

SELECT * FROM finish();
ROLLBACK;
