BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(3)) \g /dev/null
SELECT is(archived, false) FROM vibe.delete_pipeline(:p);
SELECT is((SELECT count(*)::int FROM vibe.pipelines WHERE id = :p) + (SELECT count(*)::int FROM vibe.pipeline_versions WHERE pipeline_id = :p), 0, 'with all its versions');
SELECT is((SELECT count(*)::int FROM vibe.pipeline_steps s WHERE NOT EXISTS (SELECT 1 FROM vibe.pipeline_versions v WHERE v.id = s.pipeline_version_id)), 0, 'and steps');
SELECT throws_ok(format('SELECT * FROM vibe.delete_pipeline(%s)', :p), 'VB005', NULL, 'it is gone');

SELECT * FROM finish();
ROLLBACK;
