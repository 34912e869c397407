BEGIN;
SELECT plan(3);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT count(*) FROM generate_series(1, 5) n, LATERAL vibe.log_service_call('a', 'failed', n) \g /dev/null
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'b c a', 'it is still there, at the end');
SELECT is(health || ' ' || open_until, 'open_circuit ' || timestamptz '2030-01-01 12:10+00', 'and says until when') FROM vibe.resolve_service('email') WHERE service = 'a';
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'a b c', 'then it is back at its place');

SELECT * FROM finish();
ROLLBACK;
