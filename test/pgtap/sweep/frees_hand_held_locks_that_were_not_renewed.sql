BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT run_id, token FROM t.acquire(t.task(:c)) \gset
SELECT t.now('2030-01-01 12:29:59+00') \g /dev/null
SELECT is(stale_locks_released, 0::bigint, 'not before stale_lock_after') FROM vibe.sweep();
SELECT t.now('2030-01-01 12:30:01+00') \g /dev/null
SELECT is((SELECT array_agg(run_id) FROM vibe.find_stale_locks()), ARRAY[:run_id]::bigint[], 'it is found');
SELECT is(stale_locks_released, 1::bigint, 'and released') FROM vibe.sweep();
SELECT is(t.work(t.task(:c)) || ' ' || t.outcome(:run_id) || (SELECT attempts FROM vibe.work WHERE task_id = t.task(:c)), '1 ready lost0', 'no attempt is used');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', t.task(:c), 'agent-1', :'token'), 'VB011', NULL, 'its token is dead');
SELECT is_empty('SELECT * FROM vibe.find_stale_locks()');

SELECT * FROM finish();
ROLLBACK;
