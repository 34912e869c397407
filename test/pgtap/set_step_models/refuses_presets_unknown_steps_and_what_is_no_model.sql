BEGIN;
SELECT plan(11);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT throws_ok(format('SELECT * FROM vibe.set_step_models(%s, %L)', :p, models), code, NULL, code || ' for ' || coalesce(models, 'NULL'))
  FROM (VALUES ('VB007', '{"9": "m"}'), ('VB007', '{"1": "m", "No Branch": "m"}'), ('VB007', '{"": "m"}'), ('VB030', '{"1": 5}'), ('VB030', '{"1": {"a": 1}}'),
               ('VB030', '{"1": "-x --add-dir /"}'), ('VB030', '[]'), ('VB030', '{}'), ('VB030', NULL)) x(code, models);
SELECT throws_ok($$SELECT * FROM vibe.set_step_models(3, '{"3": "opus"}')$$, 'VB036', NULL, 'a preset');
SELECT throws_ok($$SELECT * FROM vibe.set_step_models(0, '{"3": "opus"}')$$, 'VB005', NULL, 'no pipeline');

SELECT * FROM finish();
ROLLBACK;
