BEGIN;
SELECT plan(1);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '1 hour') FROM t.acquire(:task) a \g /dev/null
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is((SELECT acquired FROM vibe.acquire_lock(:task, 'agent-1')), true);

SELECT * FROM finish();
ROLLBACK;
