BEGIN;
SELECT plan(14);

SELECT throws_ok(format('SELECT * FROM vibe.register_agent(name => %L)', name), 'VB030', NULL, 'name ' || coalesce(left(name, 20), 'NULL'))
  FROM unnest(ARRAY[NULL, '', '-x', 'a b', 'a/b', E'a\nb', repeat('a', 101)]) name;
SELECT throws_ok(format('SELECT * FROM vibe.register_agent(name => %L, default_model => %L)', 'a', model), 'VB030', NULL, 'model ' || left(model, 20))
  FROM unnest(ARRAY['x --add-dir /', '-c foo=bar', '', repeat('m', 10240)]) model;
SELECT throws_ok(format('SELECT * FROM vibe.register_agent(name => %L, runner => %L)', 'a', runner), 'VB040', NULL, 'runner ' || runner)
  FROM unnest(ARRAY['/bin/sh', '../sh', 'no-such-runner']) runner;

SELECT * FROM finish();
ROLLBACK;
