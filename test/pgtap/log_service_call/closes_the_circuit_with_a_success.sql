BEGIN;
SELECT plan(3);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT count(*) FROM generate_series(1, 5) n, LATERAL vibe.log_service_call('a', 'failed', n) \g /dev/null
SELECT is(health || failures_in_a_row, 'open_circuit5', 'it is open') FROM vibe.list_services('email') WHERE name = 'a';
SELECT is(health, 'ok', 'one success closes it') FROM vibe.log_service_call('a', 'success');
SELECT count(*) FROM generate_series(1, 4) n, LATERAL vibe.log_service_call('a', 'failed', n) \g /dev/null
SELECT is(health || failures_in_a_row, 'ok4', 'and the count begins anew') FROM vibe.list_services('email') WHERE name = 'a';

SELECT * FROM finish();
ROLLBACK;
