BEGIN;
SELECT plan(8);

CREATE FUNCTION pg_temp.reason(task bigint, branch text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT reason FROM vibe.acquire_lock(task, 'agent-1', branch) $$;
SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'), 3) AS c \gset
SELECT is(pg_temp.reason(t.task(:c), 'No such branch'), 'branch_not_open');
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(pg_temp.reason(t.task(:c)), 'campaign_paused');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(pg_temp.reason(t.task(:c)), 'waiting_for_approval');
SELECT count(*) FROM vibe.cancel_task(t.task(:c)) \g /dev/null
SELECT is(pg_temp.reason(t.task(:c)), 'task_cancelled');
SELECT vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '1 hour') FROM t.acquire(t.task(:c, 2)) a \g /dev/null
SELECT is(pg_temp.reason(t.task(:c, 2)), 'waiting_for_back_off');
SELECT vibe.fail_step(a.run_id, a.token, 'blocked') FROM t.acquire(t.task(:c, 3)) a \g /dev/null
SELECT is(pg_temp.reason(t.task(:c, 3)), 'waiting_for_person');
SELECT t.campaign(t.pipeline(1)) AS d \gset
SELECT t.claim() AS run \gset
SELECT is(pg_temp.reason(t.task(:d)), 'locked', 'a dispatched run holds it');
SELECT count(*) FROM vibe.release_lock(t.task(:d), 'agent-1', NULL) \g /dev/null
SELECT is(pg_temp.reason(t.task(:d)), 'previous_process_ending', 'its process still lives');

SELECT * FROM finish();
ROLLBACK;
