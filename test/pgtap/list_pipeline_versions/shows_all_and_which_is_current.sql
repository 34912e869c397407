BEGIN;
SELECT plan(2);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT t.campaign('own') AS c \gset
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(1)) \g /dev/null
SELECT results_eq(format('SELECT version, is_current, definition, main_steps, campaigns FROM vibe.list_pipeline_versions(%s)', :p),
    'VALUES (2, true, t.definition(1), 2::bigint, 0::bigint), (1, false, t.definition(2), 3, 1)');
SELECT is_empty('SELECT * FROM vibe.list_pipeline_versions(0)', 'none of what is not there');

SELECT * FROM finish();
ROLLBACK;
