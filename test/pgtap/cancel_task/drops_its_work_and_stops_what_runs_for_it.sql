BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0)))), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT run_id AS main FROM t.acquire(:task) \gset
SELECT run_id AS side FROM t.acquire(:task, 'Side') \gset
SELECT is(row(x.status, x.runs_stopped)::text, '(cancelled,2)') FROM vibe.cancel_task(:task, 'off topic') x;
SELECT is(t.outcome(:main) || ' ' || t.outcome(:side), 'cancelled cancelled', 'main line and branch');
SELECT is_empty(format('SELECT * FROM vibe.work WHERE task_id = %s', :'task'), 'no work is left');
SELECT is(t.campaign_status(:c), 'active', 'the campaign has another task');
SELECT is(row(x.status, x.runs_stopped)::text, '(cancelled,0)', 'a second call changes nothing') FROM vibe.cancel_task(:task) x;
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_cancelled'), 1, 'one line of history');

SELECT * FROM finish();
ROLLBACK;
