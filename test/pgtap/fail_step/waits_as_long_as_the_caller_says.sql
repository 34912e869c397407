BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT ready_at FROM t.acquire(t.task(:c)) a, vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '2 hours') \gset
SELECT is(:'ready_at'::timestamptz, '2030-01-01 14:00+00');
SELECT is(vibe._next_due(), '2030-01-01 14:00+00', 'the dispatcher knows when');
SELECT is(vibe._promote_due(), 0::bigint, 'not before');
SELECT t.now('2030-01-01 14:00+00') \g /dev/null
SELECT is(vibe._promote_due() || ' ' || t.work(t.task(:c)), '1 1 ready', 'then');

SELECT * FROM finish();
ROLLBACK;
