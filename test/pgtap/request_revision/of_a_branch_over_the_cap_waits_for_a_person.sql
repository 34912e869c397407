BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))), max_revisions => 0)) AS task \gset
SELECT t.done(:task), t.done(:task, 'a') \g /dev/null
SELECT is(task_status, 'backlog', 'the task is not blocked') FROM vibe.request_revision(:task, 'a dog', branch => 'a');
SELECT is(t.work(:task, 'a') || ', ' || t.work(:task), '0 waiting person, 2 waiting branches', 'the branch is');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_blocked' AND task_id = :task), 1, 'the feed says so');
SELECT count(*) FROM vibe.retry_step(:task, 'a') \g /dev/null
SELECT is(run ->> 'revision_notes', 'a dog', 'a person lets it go on, with the notes') FROM vibe._claim_runs('{default}', '{9}', 9);
SELECT is(t.status(:task), 'backlog');

SELECT * FROM finish();
ROLLBACK;
