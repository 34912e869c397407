BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT t.campaign('own') AS ended, t.campaign('own') AS open \gset
SELECT vibe.cancel_campaign(:ended) \g /dev/null
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(3)) \g /dev/null
SELECT is(version || '|' || main_steps || '|' || branches || '|' || campaigns || '|' || open_campaigns || '|' || kind, '2|4|0|2|1|custom') FROM vibe.get_pipeline(:p);
SELECT is(definition, t.definition(3), 'with its definition') FROM vibe.get_pipeline(:p);
SELECT is(id, :p::bigint, 'by slug') FROM vibe.get_pipeline_by_slug('own');
SELECT is_empty('SELECT * FROM vibe.get_pipeline(0) UNION ALL SELECT * FROM vibe.get_pipeline_by_slug(NULL)', 'or no row');

SELECT * FROM finish();
ROLLBACK;
