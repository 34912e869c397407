BEGIN;
SELECT plan(4);

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE p.pronamespace = 'vibe'::regnamespace AND a.grantee = 0$$, 'call no function');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'vibe'::regnamespace AND a.grantee = 0$$, 'read no table');
SELECT is_empty($$SELECT a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'vibe' AND a.grantee = 0$$, 'not even use the schema');
CREATE ROLE vibe_test_nobody;
SET LOCAL ROLE vibe_test_nobody;
SELECT throws_ok('SELECT * FROM vibe.sweep()', '42501', NULL, 'as a role with no rights');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
