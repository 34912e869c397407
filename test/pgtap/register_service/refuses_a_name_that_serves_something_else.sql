BEGIN;
SELECT plan(2);

SELECT vibe.register_service('mine', 'email') \g /dev/null
SELECT throws_ok($$SELECT * FROM vibe.register_service('mine', 'cms')$$, 'VB032', NULL, 'one service, one capability');
SELECT is(s.capability, 'email', 'it stays what it was') FROM vibe.list_services() s WHERE s.name = 'mine';

SELECT * FROM finish();
ROLLBACK;
