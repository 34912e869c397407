BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT vibe.fail_step(a.run_id, a.token, retry_after => '1 hour') FROM t.acquire(:task) a \g /dev/null
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(back_offs_ended, 1::bigint) FROM vibe.sweep();
SELECT is(t.work(:task), '1 ready');

SELECT * FROM finish();
ROLLBACK;
