BEGIN;
SELECT plan(2);

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'plpgsql' AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)$$, 'plpgsql: search_path = pg_catalog, pg_temp');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'sql' AND p.prosqlbody IS NULL$$, 'sql: names are bound at creation');

SELECT * FROM finish();
ROLLBACK;
