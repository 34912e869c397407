BEGIN;
SELECT plan(8);

SELECT throws_ok(format('SELECT * FROM vibe.import_pipeline(%L)', document), code, NULL, code || ' for ' || coalesce(left(document::text, 60), 'NULL'))
  FROM (VALUES ('VB030', NULL::jsonb), ('VB030', '5'), ('VB030', '[]'), ('VB030', '{"name": "A"}'), ('VB030', '{"slug": "a"}'), ('VB031', '{"slug": "a", "name": "A"}'),
               ('VB031', '{"slug": "a", "name": "A", "definition": 5}'), ('VB032', vibe.export_pipeline(1))) x(code, document);

SELECT * FROM finish();
ROLLBACK;
