BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))))) AS task \gset
SELECT is(cancelled, true, 'before it began') FROM vibe.cancel_branch(:task, 'a');
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task, 'a'), NULL, 'its trigger does not open it');
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1, rerun_branches => true) \g /dev/null
SELECT t.done(:task), t.done(:task) \g /dev/null
SELECT is(t.work(:task) || coalesce(t.work(:task, 'a'), ', none'), '3 ready, none', 'nor does a revision');
SELECT swept FROM vibe.sweep() \g /dev/null
DELETE FROM vibe.work;
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT is(t.work(:task) || coalesce(t.work(:task, 'a'), ', none'), '3 ready, none', 'nor a sweep');
SELECT is_empty('SELECT * FROM vibe.find_missing_branches()', 'which does not miss it');
SELECT is(t.done(:task), 'completed');

SELECT * FROM finish();
ROLLBACK;
