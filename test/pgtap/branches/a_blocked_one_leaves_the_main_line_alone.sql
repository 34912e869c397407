BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked', 'no licence') FROM t.acquire(:task, 'a') a \g /dev/null
SELECT is(t.status(:task), 'backlog', 'the task is not blocked');
SELECT is(t.work(:task, 'a') || ', ' || t.work(:task), '0 waiting person, 2 waiting branches');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_blocked' AND task_id = :task), 1, 'but the feed says so');
SELECT count(*) FROM vibe.retry_step(:task, 'a') \g /dev/null
SELECT t.done(:task, 'a') \g /dev/null
SELECT is(t.work(:task), '2 ready', 'it converges once the branch is done');
SELECT is(t.done(:task), 'completed');

SELECT * FROM finish();
ROLLBACK;
