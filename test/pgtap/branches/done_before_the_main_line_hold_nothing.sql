BEGIN;
SELECT plan(2);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'a'), t.done(:task) \g /dev/null
SELECT is(t.work(:task), '3 ready', 'nothing to wait for');
SELECT is((SELECT string_agg(branch, ',') FROM vibe.work WHERE task_id = :task), '', 'and none opens again');

SELECT * FROM finish();
ROLLBACK;
