BEGIN;
SELECT plan(5);

CREATE TEMP VIEW public_functions AS SELECT p.* FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname !~ '^_';
SELECT is_empty($$SELECT p.oid::regprocedure, a FROM public_functions p, unnest(coalesce(p.proargnames, ARRAY_FILL(''::text, ARRAY[p.pronargs]))) a WHERE a !~ '^[a-z]+(_[a-z]+)*$'$$, 'arguments and columns are plain words');
SELECT is_empty($$SELECT proname FROM public_functions GROUP BY proname HAVING count(*) > 1$$, 'no overloads');
SELECT is_empty($$SELECT p.oid::regprocedure FROM public_functions p WHERE p.prorettype = 'void'::regtype$$, 'nothing returns void');
SELECT is_empty($$SELECT p.oid::regprocedure FROM public_functions p JOIN pg_type y ON y.oid = p.prorettype JOIN pg_class c ON c.oid = y.typrelid WHERE c.relkind = 'r'$$, 'nor the row of a table: a new column would change the API');
SELECT is_empty($$SELECT p.oid::regprocedure FROM public_functions p JOIN pg_type y ON y.oid = p.prorettype WHERE y.typtype = 'c' AND NOT p.proretset$$, 'one row or none is a set');

SELECT * FROM finish();
ROLLBACK;
