BEGIN;
SELECT plan(5);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT count(*) FROM generate_series(1, 4) n, LATERAL vibe.log_service_call('a', 'failed', n) \g /dev/null
SELECT is(health, 'ok', 'four are not enough') FROM vibe.list_services('email') WHERE name = 'a';
SELECT is(health || ' ' || open_until, 'open_circuit ' || timestamptz '2030-01-01 12:10+00', 'the fifth opens it for ten minutes') FROM vibe.log_service_call('a', 'timeout');
SELECT is(health, 'ok', 'another service has its own') FROM vibe.list_services('email') WHERE name = 'b';
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT is(health, 'ok', 'then it is tried again') FROM vibe.list_services('email') WHERE name = 'a';
SELECT is(health, 'open_circuit', 'and the next failure opens it again') FROM vibe.log_service_call('a', 'failed');

SELECT * FROM finish();
ROLLBACK;
