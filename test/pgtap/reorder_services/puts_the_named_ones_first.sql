BEGIN;
SELECT plan(3);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT is((SELECT string_agg(name, ' ' ORDER BY priority) FROM vibe.reorder_services('email', '{c,a}')), 'c a b', 'the others follow');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email')), 'c a b', 'the chain follows');
SELECT is((SELECT string_agg(priority::text, ' ' ORDER BY priority) FROM vibe.services WHERE capability = 'email'), '1 2 3', 'without gaps');

SELECT * FROM finish();
ROLLBACK;
