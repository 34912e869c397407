BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('b', 2))))) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task), t.done(:task) \g /dev/null
SELECT is(t.work(:task), '3 waiting branches', 'it waits');
SELECT is(next_step, NULL::int, 'the first of two opens nothing') FROM t.acquire(:task, 'a') a, vibe.complete_step(:task, a.agent, a.token, branch => 'a');
SELECT is(t.work(:task), '3 waiting branches');
SELECT is(next_step, 3, 'the second opens it') FROM t.acquire(:task, 'b') a, vibe.complete_step(:task, a.agent, a.token, branch => 'b');
SELECT is(t.work(:task), '3 ready');
SELECT is(t.done(:task), 'completed', 'and it ends the task');

SELECT * FROM finish();
ROLLBACK;
