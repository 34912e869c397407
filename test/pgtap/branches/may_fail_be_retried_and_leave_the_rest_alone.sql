BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1, '{"max_attempts": 1}'), t.branch('b', 1)))))) AS task \gset
CREATE FUNCTION pg_temp.shown() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', e ->> 'label', e ->> 'status', e ->> 'lockedBy'), ', ') FROM vibe.tasks t, jsonb_array_elements(vibe.get_task_pipeline_status(t.id) -> 'branches') e $$;
SELECT is(pg_temp.shown(), 'a pending, b pending');
SELECT t.done(:task) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token) FROM t.acquire(:task, 'a') a \g /dev/null
SELECT t.acquire(:task, 'b') \g /dev/null
SELECT is(pg_temp.shown(), 'a failed, b in_progress agent-9', 'one failed, one runs');
SELECT count(*) FROM vibe.retry_step(:task, 'a') \g /dev/null
SELECT is(pg_temp.shown(), 'a pending, b in_progress agent-9', 'tried again');
SELECT t.done(:task, 'a') \g /dev/null
SELECT is(pg_temp.shown(), 'a completed, b in_progress agent-9');
SELECT is(t.work(:task), '2 waiting branches');

SELECT * FROM finish();
ROLLBACK;
