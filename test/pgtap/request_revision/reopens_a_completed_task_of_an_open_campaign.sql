BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(t.done(:task), 'completed');
SELECT is(next_step || task_status, '2revision_needed') FROM vibe.request_revision(:task, 'after all');
SELECT ok(ended_at IS NULL, 'it is open') FROM vibe.tasks WHERE id = :task;
SELECT is(t.done(:task), 'completed', 'and can be completed again');

SELECT * FROM finish();
ROLLBACK;
