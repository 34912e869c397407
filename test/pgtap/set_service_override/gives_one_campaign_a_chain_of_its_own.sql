BEGIN;
SELECT plan(7);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS campaign, t.campaign(t.pipeline(1)) AS other \gset
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.set_service_override(:campaign, 'email', '{c,b}')), 'c b', 'says what holds now');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email', :campaign)), 'c b', 'its own order, and no others');
SELECT is((SELECT string_agg(DISTINCT source, ' ') FROM vibe.resolve_service('email', :campaign)), 'override', 'and says where from');
SELECT is((SELECT string_agg(service || ' ' || source, ', ' ORDER BY place) FROM vibe.resolve_service('email', :other)), 'a default, b default, c default', 'another campaign has the usual one');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.set_service_override(:campaign, 'email', '{b}')), 'b', 'set again, it is replaced');
SELECT is_empty(format('SELECT * FROM vibe.set_service_override(%s, %L, NULL)', :campaign, 'email'), 'NULL removes it');
SELECT is((SELECT string_agg(service, ' ' ORDER BY place) FROM vibe.resolve_service('email', :campaign)), 'a b c', 'and the usual one is back');

SELECT * FROM finish();
ROLLBACK;
