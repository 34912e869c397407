BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT is(version || description || category, '1dc', 'set') FROM vibe.update_pipeline(:p, description => 'd', category => 'c');
SELECT is(description || category, 'dx', 'NULL leaves') FROM vibe.update_pipeline(:p, category => 'x');
SELECT is(row(description, category)::text, '(,x)', 'an empty text clears') FROM vibe.update_pipeline(:p, description => '');
SELECT throws_ok(format('SELECT * FROM vibe.update_pipeline(%s, category => %L)', :p, category), 'VB030', NULL, 'a blank one')
  FROM unnest(ARRAY[' ']) category;

SELECT * FROM finish();
ROLLBACK;
