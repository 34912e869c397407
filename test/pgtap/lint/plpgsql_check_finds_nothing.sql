BEGIN;
SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'plpgsql_check') AS is_there \gset
\if :is_there
-- Newer ones refuse to be loaded after the session's first plpgsql function, and plan() is one.
LOAD 'plpgsql_check';
\endif
SELECT plan(4);

\if :is_there
SET LOCAL client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS plpgsql_check;
-- Warnings count as errors; those about speed are left out, since most are about casts that cost nothing here.
-- Not cron.*: pg_cron need not be there, so these build those calls as text.
-- Nor the one place where a STABLE function reads the clock.
SELECT is_empty($$SELECT p.oid::regprocedure, c.lineno, c.level, c.message FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
      LATERAL plpgsql_check_function_tb(p.oid, performance_warnings => false, extra_warnings => true, security_warnings => true, compatibility_warnings => true) c
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'plpgsql' AND p.prorettype <> 'trigger'::regtype
       AND p.proname NOT IN ('enable_cron', 'disable_cron', '_health_cron')
       AND (p.proname = 'campaign_progress' AND c.message LIKE '%expression is VOLATILE' AND c.context LIKE '%"elapsed"%') IS NOT TRUE$$, 'functions');
CREATE VIEW pg_temp.finding AS
    SELECT g.tgname, c.lineno, c.level, c.message FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_language l ON l.oid = p.prolang,
           LATERAL plpgsql_check_function_tb(p.oid, g.tgrelid, oldtable => g.tgoldtable, newtable => g.tgnewtable,
               performance_warnings => false, extra_warnings => true, security_warnings => true, compatibility_warnings => true) c
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'plpgsql';
SELECT is_empty('SELECT * FROM pg_temp.finding', 'triggers');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.prorettype = 'trigger'::regtype
    AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = p.oid)$$, 'each of which has a table to be checked with');
CREATE FUNCTION vibe._mistaken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.no_column := 1; RETURN NEW; END $$;
CREATE FUNCTION vibe._wasteful() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE unused integer; BEGIN RETURN NEW; END $$;
CREATE TRIGGER mistaken BEFORE UPDATE ON vibe.tasks FOR EACH ROW EXECUTE FUNCTION vibe._mistaken();
CREATE TRIGGER wasteful BEFORE UPDATE ON vibe.tasks FOR EACH ROW EXECUTE FUNCTION vibe._wasteful();
SELECT set_eq('SELECT tgname::text, split_part(level, '' '', 1) FROM pg_temp.finding', $$VALUES ('mistaken', 'error'), ('wasteful', 'warning')$$, 'errors and warnings are found where there are some');
\else
SELECT skip('plpgsql_check is not installed', 4);
\endif

SELECT * FROM finish();
ROLLBACK;
