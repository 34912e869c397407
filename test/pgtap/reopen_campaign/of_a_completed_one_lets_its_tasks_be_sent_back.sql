BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(t.campaign_status(:c), 'completed');
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(status, 'in_revision', 'it is open again') FROM vibe.reopen_campaign(:c);
SELECT is(status, 'in_revision', 'and stays so when it is called again') FROM vibe.reopen_campaign(:c);
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'campaign_reopened'), 1, 'which is told once');
SELECT is(task_status, 'revision_needed', 'a task can be sent back') FROM vibe.request_revision(t.task(:c), 'again');
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(t.campaign_status(:c), 'completed', 'it ends with its last open task');

SELECT * FROM finish();
ROLLBACK;
