BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 3) AS c \gset
SELECT run_id AS run, token FROM t.acquire(t.task(:c)) \gset
SELECT run_id AS run2, token AS token2 FROM t.acquire(t.task(:c, 2)) \gset
SELECT run_id AS silent FROM t.acquire(t.task(:c, 3)) \gset
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT vibe.renew_lock(:run, :'token'), vibe.renew_lock(:run2, :'token2') \g /dev/null
SELECT is(stale_locks_released, 1::bigint, 'an hour ahead: only one that nobody renews is released') FROM vibe.sweep();
SELECT is(t.outcome(:silent), 'lost', 'which is that one');
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT is(stale_locks_released, 0::bigint, 'back again: none') FROM vibe.sweep();
SELECT is(lease_expires_at, '2030-01-01 12:05+00', 'and a lease begins anew') FROM vibe.renew_lock(:run, :'token');
SELECT is(count(*), 2::bigint, 'their holders have them all the time') FROM vibe.runs WHERE id IN (:run, :run2) AND outcome IS NULL;

SELECT * FROM finish();
ROLLBACK;
