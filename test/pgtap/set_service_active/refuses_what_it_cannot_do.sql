BEGIN;
SELECT plan(2);

SELECT throws_ok($$SELECT * FROM vibe.set_service_active('no-such', true)$$, 'VB070', NULL, 'a service that is not there');
SELECT throws_ok($$SELECT * FROM vibe.set_service_active('no-such', NULL)$$, 'VB030', NULL, 'neither in nor out');

SELECT * FROM finish();
ROLLBACK;
