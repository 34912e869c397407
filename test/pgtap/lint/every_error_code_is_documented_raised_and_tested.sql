-- VB099 never leaves cancel_campaign().
BEGIN;
SELECT plan(4);

\set documented `sed -n 's/^| \(VB[0-9]*\) |.*/\1/p' README.md | sort -u | tr '\n' ' '`
\set raised_in_sql `grep -ohE "ERRCODE = 'VB[0-9]{3}'" sql/schema/*.sql | grep -oE 'VB[0-9]{3}' | grep -v VB099 | sort -u | tr '\n' ' '`
\set defined_in_c `grep -ohE "MAKE_SQLSTATE\('V', *'B', *'[0-9]', *'[0-9]', *'[0-9]'\)" src/errors.h | grep -oE "[0-9]" | paste -sd '' | sed 's/.../VB&\n/g' | sort -u | tr '\n' ' '`
\set tested `grep -rhoE "VB[0-9]{3}" test --include='*.sql' --include='*.pl' | sort -u | tr '\n' ' '`
CREATE FUNCTION pg_temp.codes(list text) RETURNS text[] LANGUAGE sql AS $$ SELECT array_remove(string_to_array(list, ' '), '') $$;
SELECT ok(cardinality(pg_temp.codes(:'documented')) > 10 AND cardinality(pg_temp.codes(:'raised_in_sql')) > 10, 'codes were read');
SELECT bag_has(format('SELECT unnest(pg_temp.codes(%L))', :'documented'), format('SELECT unnest(pg_temp.codes(%L))', :'raised_in_sql'), 'each that SQL raises is in README''s table');
SELECT set_eq(format('SELECT unnest(pg_temp.codes(%L))', :'documented'), format('SELECT unnest(pg_temp.codes(%L))', :'raised_in_sql' || :'defined_in_c'), 'and README has no other than SQL and C raise');
SELECT bag_has(format('SELECT unnest(pg_temp.codes(%L))', :'tested'), format('SELECT unnest(pg_temp.codes(%L))', :'raised_in_sql'), 'each has a test');

SELECT * FROM finish();
ROLLBACK;
