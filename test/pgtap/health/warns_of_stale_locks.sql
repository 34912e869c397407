BEGIN;
SELECT plan(3);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT run_id FROM t.acquire(t.task(t.campaign(t.pipeline(1)))) \g /dev/null
SELECT is(t.health('stale locks'), 'ok: 0');
SELECT t.now('2030-01-01 12:31+00') \g /dev/null
SELECT is(t.health('stale locks'), 'warn: 1');
SELECT is(t.follow_hint('stale locks'), 'ok: 0', 'the hint helps');

SELECT * FROM finish();
ROLLBACK;
