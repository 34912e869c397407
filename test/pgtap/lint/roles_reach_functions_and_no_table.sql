BEGIN;
SELECT plan(6);

CREATE VIEW pg_temp.public_functions AS
    SELECT p.oid::regprocedure AS function, p.proname::text AS name, p.provolatile <> 'v' AS only_reads, p.prosecdef, l.lanname
      FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname NOT LIKE '\_%' AND p.prorettype <> 'trigger'::regtype;
CREATE FUNCTION pg_temp.may(role text, function regprocedure) RETURNS boolean LANGUAGE sql AS $$ SELECT has_function_privilege(role, function, 'EXECUTE') $$;

SELECT set_eq($$SELECT name FROM pg_temp.public_functions WHERE NOT pg_temp.may('vibe_admin', function) AND NOT pg_temp.may('vibe_agent', function)$$,
    ARRAY['take_over', 'enable_cron', 'disable_cron'], 'every public function has a role that may call it, but for what only a superuser may');
SELECT is_empty($$SELECT function FROM pg_temp.public_functions WHERE lanname <> 'c' AND name <> 'take_over' AND name NOT LIKE '%able\_cron'
    AND prosecdef <> NOT (only_reads)$$, 'what writes runs with its owner''s rights, what reads with its caller''s');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname LIKE '\_%' AND p.prosecdef$$, 'internal functions never do');
SELECT is_empty($$SELECT c.oid::regclass, g.r FROM pg_class c, unnest(ARRAY['vibe_viewer', 'vibe_operator', 'vibe_admin', 'vibe_agent']) g(r)
    WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(g.r, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$, 'no role writes a table');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v') AND NOT has_table_privilege('vibe_viewer', c.oid, 'SELECT')$$, 'a viewer reads them all');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege('vibe_agent', c.oid, 'SELECT')$$, 'an agent reads none');

SELECT * FROM finish();
ROLLBACK;
