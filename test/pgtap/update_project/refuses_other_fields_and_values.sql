BEGIN;
SELECT plan(9);

SELECT id AS p FROM vibe.create_project('p', 'P') \gset
SELECT throws_ok(format('SELECT * FROM vibe.update_project(%s, %L)', :'p', changes), 'VB030', NULL, changes)
  FROM unnest(ARRAY['{"slug": "q"}', '{"name": null}', '{"name": " "}', '{"name": 5}', '{"root_path": "srv"}', '{"archived": true}', '[]']) changes;
SELECT throws_ok(format('SELECT * FROM vibe.update_project(%s, NULL)', :'p'), 'VB030', NULL, 'NULL');
SELECT throws_ok('SELECT * FROM vibe.update_project(-1, ''{}'')', 'VB001', NULL, 'no such project');

SELECT * FROM finish();
ROLLBACK;
