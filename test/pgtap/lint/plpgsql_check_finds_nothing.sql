BEGIN;
SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'plpgsql_check') AS is_there \gset
\if :is_there
-- Newer ones refuse to be loaded after the session's first plpgsql function, and plan() is one.
LOAD 'plpgsql_check';
\endif
SELECT plan(2);

\if :is_there
SET LOCAL client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS plpgsql_check;
-- Not cron.*: pg_cron need not be there, so enable_cron() and disable_cron() build those calls as text.
-- Nor the one place where a STABLE function reads the clock.
SELECT is_empty($$SELECT p.oid::regprocedure, c.lineno, c.level, c.message FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
      LATERAL plpgsql_check_function_tb(p.oid, performance_warnings => false, extra_warnings => true) c
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'plpgsql' AND p.prorettype <> 'trigger'::regtype
       AND p.proname NOT IN ('enable_cron', 'disable_cron')
       AND (p.proname = 'campaign_progress' AND c.message LIKE '%expression is VOLATILE' AND c.context LIKE '%"elapsed"%') IS NOT TRUE$$, 'functions');
SELECT is_empty($$SELECT g.tgname, c.lineno, c.level, c.message FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid, LATERAL plpgsql_check_function_tb(p.oid, g.tgrelid) c
     WHERE p.pronamespace = 'vibe'::regnamespace$$, 'triggers');
\else
SELECT skip('plpgsql_check is not installed', 2);
\endif

SELECT * FROM finish();
ROLLBACK;
