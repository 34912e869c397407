BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('email')$$, 'VB071', NULL, 'none registered');
SELECT is_empty($$SELECT * FROM vibe.resolve_service('email', required => false)$$, 'optional: no row');
SELECT vibe.register_service('a', 'email', use_cases => '{x}') \g /dev/null
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('email', use_case => 'y')$$, 'VB071', NULL, 'none for the use case');
SELECT vibe.set_service_override(:campaign, 'email', '{a}'), vibe.register_service('b', 'email'), vibe.set_service_active('a', false) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.resolve_service(%L, %s)', 'email', :campaign), 'VB071', NULL, 'all of the campaign''s own are inactive');
SELECT is(service, 'b', 'which is no matter of others') FROM vibe.resolve_service('email');
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('no_such')$$, 'VB070', NULL, 'an unknown capability');
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('email', 0)$$, 'VB002', NULL, 'an unknown campaign');

SELECT * FROM finish();
ROLLBACK;
