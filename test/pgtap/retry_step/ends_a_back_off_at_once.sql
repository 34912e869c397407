BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '1 day') FROM t.acquire(:task) a \g /dev/null
SELECT is(t.work(:task), '1 waiting back_off');
SELECT is(task_status, 'backlog', 'it was not blocked') FROM vibe.retry_step(:task);
SELECT is(t.work(:task), '1 ready');

SELECT * FROM finish();
ROLLBACK;
