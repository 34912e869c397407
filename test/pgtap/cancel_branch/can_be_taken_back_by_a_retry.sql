BEGIN;
SELECT plan(9);

SELECT t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))) AS p \gset
SELECT t.campaign(:'p', 2) AS c \gset
SELECT t.task(:c) AS task, t.task(:c, 2) AS early \gset
SELECT t.done(:task), t.done(:task) \g /dev/null
SELECT count(*) FROM vibe.cancel_branch(:task, 'a') \g /dev/null
SELECT is(t.work(:task), '3 ready');
SELECT is(row(r.*)::text, '(0,agent-9,backlog)', 'opened again') FROM vibe.retry_step(:task, 'a', 'with a dog') r;
SELECT is(t.work(:task, 'a') || (SELECT note FROM vibe.work WHERE task_id = :task AND branch = 'a'), '0 readywith a dog', 'with its note');
SELECT is(t.work(:task), '3 waiting branches', 'the step that had not begun waits for it');
SELECT t.done(:task, 'a') \g /dev/null
SELECT is(t.work(:task), '3 ready');
SELECT count(*) FROM vibe.cancel_branch(:early, 'a') \g /dev/null
SELECT count(*) FROM vibe.retry_step(:early, 'a') \g /dev/null
SELECT is(t.work(:early, 'a'), NULL, 'before its trigger');
SELECT t.done(:early) \g /dev/null
SELECT is(t.work(:early, 'a'), '0 ready', 'it opens with it');
SELECT count(*) FROM vibe.cancel_branch(:early, 'a') \g /dev/null
SELECT t.done(:early), t.done(:early) \g /dev/null
SELECT is(t.status(:early), 'completed');
SELECT throws_ok(format('SELECT * FROM vibe.retry_step(%s, %L)', :early, 'a'), 'VB020', NULL, 'not in a task that has ended');

SELECT * FROM finish();
ROLLBACK;
