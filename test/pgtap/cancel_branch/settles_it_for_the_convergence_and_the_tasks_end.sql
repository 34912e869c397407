BEGIN;
SELECT plan(9);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('b', 1))))) AS c,
       t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1))))) AS d \gset
SELECT t.task(:c) AS task, t.task(:d) AS other \gset
SELECT t.done(:task), t.done(:task, 'b'), t.done(:other) \g /dev/null
SELECT is(t.work(:task), '2 waiting branches');
SELECT run_id AS run, token FROM t.acquire(:task, 'a') \gset
SELECT is(row(b.*)::text, '(t,1,2,agent-2,backlog,f)', 'its run is stopped, the next step opens') FROM vibe.cancel_branch(:task, 'a', 'no licence') b;
SELECT is(t.outcome(:run) || ', ' || t.work(:task), 'cancelled, 2 ready');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L, branch => %L)', :task, 'agent-9', :'token', 'a'), 'VB011', NULL, 'which writes no more');
SELECT is(row(b.*)::text, '(f,0,,,backlog,f)', 'a second call changes nothing') FROM vibe.cancel_branch(:task, 'a') b;
SELECT is((SELECT string_agg((e ->> 'label') || ' ' || (e ->> 'status'), ', ') FROM jsonb_array_elements(vibe.get_task_pipeline_status(:task) -> 'branches') e), 'a cancelled, b completed', 'the status says so');
SELECT is(t.done(:task), 'completed', 'and nothing waits for it');
SELECT is(task_status || task_completed, 'completedtrue', 'the last thing to do') FROM vibe.cancel_branch(:other, 'a');
SELECT is(t.campaign_status(:d), 'completed', 'ends the campaign as well');

SELECT * FROM finish();
ROLLBACK;
