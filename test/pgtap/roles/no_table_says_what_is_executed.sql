-- Who looks after agents names a runner that the runner file has. There is no column for a command, and no table to
-- write one into. services.env_var only tells agents the name of a variable that their runner may give them.
BEGIN;
SELECT plan(5);

SELECT is_empty($$SELECT c.table_name, c.column_name FROM information_schema.columns c
    WHERE c.table_schema = 'vibe' AND c.column_name ~ '(^|_)(command|cmd|program|executable|argv?|args|env|environment|prefix|shell)($|_)' AND c.table_name <> 'runners'
    AND (c.table_name, c.column_name) <> ('services', 'env_var')$$,
    'no column for a command, its arguments or its environment');
CREATE ROLE vibe_test_admin IN ROLE vibe_admin;
SET LOCAL ROLE vibe_test_admin;
SELECT throws_ok($$UPDATE vibe.agents SET runner = '/bin/sh'$$, '42501', NULL, 'not even an admin writes the table of agents');
SELECT throws_ok($$INSERT INTO vibe.agent_overrides (agent_name, runner) VALUES ('vibe-humanizer', '../sh')$$, '42501', NULL, 'or what overrides it');
SELECT throws_ok($$SELECT * FROM vibe.register_agent(name => 'a', runner => '/bin/sh')$$, 'VB040', NULL, 'the verb takes no program');
DO $$
DECLARE detail text;
BEGIN
    PERFORM vibe.register_agent(name => 'a', runner => 'sh');
EXCEPTION WHEN SQLSTATE 'VB040' THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    PERFORM set_config('test.detail', detail, true);
END
$$;
SELECT matches(current_setting('test.detail'), '''sh''; the runner file knows: .*default', 'and lists the names that it knows');

SELECT * FROM finish();
ROLLBACK;
