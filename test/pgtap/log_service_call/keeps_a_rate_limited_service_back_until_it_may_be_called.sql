BEGIN;
SELECT plan(4);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT is(health || ' ' || open_until, 'open_circuit ' || timestamptz '2030-01-01 13:00+00', 'from the first time on') FROM vibe.log_service_call('a', 'rate_limited', retry_after => '1 hour');
SELECT is(open_until, '2030-01-01 13:00+00', 'a later failure does not shorten it') FROM vibe.log_service_call('a', 'failed');
SELECT is(health, 'ok', 'without retry_after it is a failure like others') FROM vibe.log_service_call('b', 'rate_limited');
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(health, 'ok', 'then it may') FROM vibe.list_services('email') WHERE name = 'a';

SELECT * FROM finish();
ROLLBACK;
