BEGIN;
SELECT plan(5);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT throws_ok($$SELECT * FROM vibe.set_service_override(0, 'email', '{a}')$$, 'VB002', NULL, 'the campaign');
SELECT throws_ok(format('SELECT * FROM vibe.set_service_override(%s, %L, %L)', :campaign, 'no_such', '{a}'), 'VB070', NULL, 'the capability');
SELECT throws_ok(format('SELECT * FROM vibe.set_service_override(%s, %L, %L)', :campaign, 'cms', '{a}'), 'VB070', NULL, 'the service, for that');
SELECT throws_ok(format('SELECT * FROM vibe.set_service_override(%s, %L, %L)', :campaign, 'no_such', '{}'), 'VB070', NULL, 'the capability, also when it is removed');
SELECT throws_ok(format('SELECT * FROM vibe.set_service_override(%s, %L, %L)', :campaign, 'email', '{b,b}'), 'VB030', NULL, 'one twice');

SELECT * FROM finish();
ROLLBACK;
