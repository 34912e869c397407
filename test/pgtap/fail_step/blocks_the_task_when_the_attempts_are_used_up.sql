BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.task(t.campaign(t.pipeline(1, '{}', '{"1": {"max_attempts": 2}}'))) AS task \gset
SELECT vibe.fail_step(a.run_id, a.token, 'failed', retry_after => '0') FROM t.acquire(:task) a \g /dev/null
SELECT is(t.work(:task), '1 ready', 'one of two');
SELECT vibe.fail_step(a.run_id, a.token, 'lost') FROM t.acquire(:task) a \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '0') FROM t.acquire(:task) a \g /dev/null
SELECT is((SELECT attempts::int FROM vibe.work WHERE task_id = :task), 1, 'what is not its fault does not count');
SELECT waiting_for FROM t.acquire(:task) a, vibe.fail_step(a.run_id, a.token, 'killed', 'signal 11') \gset
SELECT is(:'waiting_for'::text, 'person', 'two of two');
SELECT is(t.status(:task), 'blocked');
SELECT is((SELECT array_agg(attempt::int ORDER BY id) FROM vibe.runs WHERE task_id = :task), ARRAY[1,2,2,2], 'runs say which attempt they were');
SELECT matches((SELECT message FROM vibe.activities WHERE kind = 'task_blocked' AND task_id = :task), 'signal 11', 'the feed says why');

SELECT * FROM finish();
ROLLBACK;
