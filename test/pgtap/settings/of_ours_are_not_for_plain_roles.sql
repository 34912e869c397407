BEGIN;
SELECT plan(5);

SELECT vibe.clock() \g /dev/null
CREATE ROLE vibe_test_member IN ROLE vibe_operator, vibe_agent;
CREATE FUNCTION pg_temp.may_set(name text, value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config(name, value, true);
    RETURN true;
EXCEPTION WHEN insufficient_privilege OR cant_change_runtime_param OR invalid_name THEN
    RETURN false;
END
$$;
SET LOCAL SESSION AUTHORIZATION vibe_test_member;
SELECT cmp_ok((SELECT count(*) FROM pg_settings WHERE name LIKE 'vibe\_orchestrator.%'), '>', 10::bigint, 'settings were read');
SELECT is_empty($$SELECT name FROM pg_settings WHERE name LIKE 'vibe\_orchestrator.%' AND pg_temp.may_set(name, boot_val)$$, 'none can be set');
SELECT ok(NOT pg_temp.may_set('vibe_orchestrator.of_mine', 'x'), 'nor one be made');
SELECT throws_ok('SET LOCAL ROLE vibe_admin', '42501', NULL, 'another role cannot be taken');
SELECT throws_ok($$SELECT set_config('role', 'vibe_admin', true)$$, '42501', NULL, 'in no way');

SELECT * FROM finish();
ROLLBACK;
