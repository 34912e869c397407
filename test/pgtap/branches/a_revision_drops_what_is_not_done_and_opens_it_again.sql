BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(
    t.branch('done', 1), t.branch('running', 1), t.branch('unapproved', 1, '{"gate": "human"}'), t.branch('earlier', 0)))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'done'), t.done(:task, 'unapproved') \g /dev/null
SELECT run_id FROM t.acquire(:task, 'running') \gset
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1) \g /dev/null
SELECT is((SELECT string_agg(branch, ' ' ORDER BY branch) FROM vibe.work WHERE task_id = :task), ' earlier', 'those triggered before the target stay');
SELECT is(t.outcome(:run_id), 'cancelled', 'what ran was stopped');
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task, 'running'), '0 ready', 'open again');
SELECT is(t.work(:task, 'unapproved'), '0 ready', 'nobody had approved this one: it is done again');
SELECT is(t.work(:task, 'done'), NULL, 'what was done stays done');
SELECT t.done(:task), t.done(:task, 'running'), t.done(:task, 'earlier'), t.done(:task, 'unapproved') \g /dev/null
SELECT is(t.work(:task) || ', ' || t.work(:task, 'unapproved'), '3 waiting branches, 0 waiting approval', 'its gate still holds');

SELECT * FROM finish();
ROLLBACK;
