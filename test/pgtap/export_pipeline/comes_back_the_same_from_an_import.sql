BEGIN;
SELECT plan(6);

SELECT vibe.export_pipeline(4) AS doc \gset
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'doc'::jsonb) k), '{category,definition,description,name,slug}', 'five keys');
SELECT id AS i FROM vibe.import_pipeline(:'doc', 'copy') \gset
SELECT is(vibe.export_pipeline(:i), :'doc'::jsonb || '{"slug": "copy"}', 'the same but for the slug');
SELECT is(kind, 'custom', 'it is one of your own') FROM vibe.get_pipeline(:i);
SELECT count(*) FROM vibe.update_pipeline(:i, t.definition(1)) \g /dev/null
SELECT is(vibe.export_pipeline(:i, 1), :'doc'::jsonb || '{"slug": "copy"}', 'an earlier version');
SELECT throws_ok(format('SELECT vibe.export_pipeline(%s, 3)', :i), 'VB005', NULL, 'no such version');
SELECT throws_ok('SELECT vibe.export_pipeline(0)', 'VB005', NULL, 'no such pipeline');

SELECT * FROM finish();
ROLLBACK;
