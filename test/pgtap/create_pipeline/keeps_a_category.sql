BEGIN;
SELECT plan(3);

SELECT is(category || '|' || kind, 'news|custom') FROM vibe.create_pipeline('mine', 'Mine', t.definition(1), category => 'news');
SELECT throws_ok(format('SELECT * FROM vibe.create_pipeline(%L, %L, t.definition(1), category => %L)', 'b', 'B', category), 'VB030', NULL, 'blank or long')
  FROM unnest(ARRAY[' ', repeat('x', 101)]) category;

SELECT * FROM finish();
ROLLBACK;
