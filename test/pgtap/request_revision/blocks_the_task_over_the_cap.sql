BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2), max_revisions => 1)) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(task_status || revision_count, 'revision_needed1') FROM vibe.request_revision(:task, 'once');
SELECT t.done(:task) \g /dev/null
SELECT is(task_status || revision_count, 'blocked2', 'over the cap') FROM vibe.request_revision(:task, 'twice');
SELECT is(t.work(:task) || ' ' || t.status(:task), '1 waiting person blocked', 'a person decides');
SELECT is((SELECT task_status FROM vibe.retry_step(:task)), 'revision_needed', 'who lets it go on');
SELECT is((SELECT rejection_notes FROM vibe.tasks WHERE id = :task), 'twice', 'with the notes');

SELECT * FROM finish();
ROLLBACK;
