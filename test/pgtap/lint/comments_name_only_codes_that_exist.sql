-- "Raises VB003" in a function's comment: README's table knows the code.
BEGIN;
SELECT plan(1);

\set documented `sed -n 's/^| \(VB[0-9]*\) |.*/\1/p' README.md | sort | tr '\n' ' '`
SELECT is_empty(format($$SELECT DISTINCT p.proname, m[1] FROM pg_proc p, regexp_matches(obj_description(p.oid, 'pg_proc'), 'VB\d{3}', 'g') m
     WHERE p.pronamespace = 'vibe'::regnamespace AND m[1] <> ALL (string_to_array(%L, ' '))$$, :'documented'));

SELECT * FROM finish();
ROLLBACK;
