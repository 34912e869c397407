BEGIN;
SELECT plan(11);

SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L)', name, 'email'), 'VB030', NULL, 'name ' || coalesce(left(name, 20), 'NULL'))
  FROM unnest(ARRAY[NULL, '', '-x', 'a b', repeat('a', 101)]) name;
SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L)', 'a', capability), 'VB070', NULL, 'capability ' || coalesce(capability, 'NULL'))
  FROM unnest(ARRAY[NULL, 'no_such']) capability;
SELECT throws_ok(format('SELECT * FROM vibe.register_service(%L, %L, cost_per_call_usd => %L)', 'a', 'email', cost), 'VB030', NULL, 'cost ' || cost)
  FROM unnest(ARRAY['-1', 'Infinity', 'NaN']) cost;
SELECT throws_ok($$SELECT * FROM vibe.register_service('a', 'email', use_cases => '{x,NULL}')$$, 'VB030', NULL, 'use case NULL');

SELECT * FROM finish();
ROLLBACK;
