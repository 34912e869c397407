BEGIN;
SELECT plan(4);

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND coalesce(btrim(obj_description(p.oid, 'pg_proc')), '') = ''$$, 'functions');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p') AND coalesce(btrim(obj_description(c.oid, 'pg_class')), '') = ''$$, 'tables and views');
SELECT is_empty($$SELECT c.oid::regclass || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r' AND coalesce(btrim(col_description(c.oid, a.attnum)), '') = ''$$, 'columns of tables');
SELECT is_empty($$SELECT y.oid::regtype FROM pg_type y LEFT JOIN pg_class c ON c.oid = y.typrelid
                   WHERE y.typnamespace = 'vibe'::regnamespace AND y.typelem = 0 AND coalesce(c.relkind, 'c') = 'c' AND coalesce(btrim(obj_description(y.oid, 'pg_type')), '') = ''$$, 'types');

SELECT * FROM finish();
ROLLBACK;
