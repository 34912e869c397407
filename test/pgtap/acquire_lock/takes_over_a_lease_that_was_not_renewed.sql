BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT run_id AS old, token AS old_token FROM t.acquire(:task) \gset
SELECT t.now('2030-01-01 12:09:59+00') \g /dev/null
SELECT is((SELECT acquired FROM vibe.acquire_lock(:task, 'agent-1')), false, 'not before lock_steal_after');
SELECT t.now('2030-01-01 12:10:01+00') \g /dev/null
SELECT * FROM vibe.acquire_lock(:task, 'agent-1') \gset
SELECT is(:'acquired'::boolean, true, 'after it');
SELECT is(t.outcome(:old), 'lost', 'the old run is lost');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'old_token'), 'VB011', NULL, 'its token is dead');
SELECT is((SELECT attempts FROM vibe.work WHERE task_id = :task), 0::smallint, 'no attempt is used');
SELECT is(completed, true, 'the new token works') FROM vibe.complete_step(:task, 'agent-1', :'lock_token');

SELECT * FROM finish();
ROLLBACK;
