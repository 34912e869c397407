BEGIN;
SELECT plan(3);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT is(s.is_active, false, 'says so') FROM vibe.set_service_active('a', false) s;
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'b c', 'it is in no chain');
SELECT vibe.set_service_active('a', true) \g /dev/null
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'a b c', 'and back at its place');

SELECT * FROM finish();
ROLLBACK;
