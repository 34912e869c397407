BEGIN;
SELECT plan(6);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT vibe.register_service('d', 'cms') \g /dev/null
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('no_such', '{a}')$$, 'VB070', NULL, 'an unknown capability');
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('email', '{a,d}')$$, 'VB070', NULL, 'a service of another capability');
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('email', '{a,a}')$$, 'VB030', NULL, 'one twice');
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('email', '{a,NULL}')$$, 'VB030', NULL, 'NULL in it');
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('email', '{}')$$, 'VB030', NULL, 'nothing');
SELECT throws_ok($$SELECT * FROM vibe.reorder_services('email', NULL)$$, 'VB030', NULL, 'NULL');

SELECT * FROM finish();
ROLLBACK;
