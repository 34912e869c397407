BEGIN;
SELECT plan(6);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT id AS v FROM vibe.pipeline_versions WHERE pipeline_id = :p \gset
SELECT throws_ok(format($$UPDATE vibe.pipeline_versions SET definition = '{}' WHERE id = %s$$, :v), 'VB036', NULL, 'a definition');
SELECT throws_ok(format('UPDATE vibe.pipeline_steps SET model = NULL WHERE pipeline_version_id = %s', :v), 'VB036', NULL, 'a step');
SELECT throws_ok(format('DELETE FROM vibe.pipeline_versions WHERE id = %s', :v), 'VB036', NULL, 'no version goes alone');
SELECT throws_ok(format('DELETE FROM vibe.pipeline_steps WHERE pipeline_version_id = %s', :v), 'VB036', NULL, 'no step either');
SELECT throws_ok('UPDATE vibe.pipeline_versions SET number = 2 WHERE id = 1', 'VB036', NULL, 'nor of a preset');
SELECT is(main_steps, 3::bigint, 'all is there') FROM vibe.get_pipeline(:p);

SELECT * FROM finish();
ROLLBACK;
