BEGIN;
SELECT plan(2);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT is(version, 1, 'the same') FROM vibe.update_pipeline(:p, t.definition(2));
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(1)) \g /dev/null
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(2)) \g /dev/null
SELECT is(string_agg(version::text, ' '), '3 2 1', 'an earlier one again is a new version') FROM vibe.list_pipeline_versions(:p);

SELECT * FROM finish();
ROLLBACK;
