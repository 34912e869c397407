BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('b', 1)))), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task), t.done(:task, 'a') \g /dev/null
SELECT t.acquire(:task, 'b') \g /dev/null
SELECT count(*) FROM vibe.cancel_branch(:task, 'b') \g /dev/null
SELECT is(t.status(:task), 'completed');
SELECT is(task_status || revision_count, 'revision_needed1') FROM vibe.request_revision(:task, 'a dog', branch => 'a');
SELECT is((SELECT string_agg(branch || ' ' || state, ', ') FROM vibe.work WHERE task_id = :task), 'a ready', 'with only that branch to do');
SELECT count(*) FROM vibe.request_revision(:task, 'this one, too', branch => 'b') \g /dev/null
SELECT is((SELECT cancelled_branches FROM vibe.tasks WHERE id = :task), '{}', 'also one that was cancelled');
SELECT t.done(:task, 'b') \g /dev/null
SELECT is(t.done(:task, 'a'), 'completed', 'and then it is again');
SELECT is_empty(format('SELECT * FROM vibe.work WHERE task_id = %s', :task));

SELECT * FROM finish();
ROLLBACK;
