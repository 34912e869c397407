BEGIN;
SELECT plan(6);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT t.campaign('own') AS c \gset
SELECT is(slug || '|' || name || '|' || version, 'other|Own|1', 'the slug alone') FROM vibe.rename_pipeline(:p, 'other');
SELECT is(slug || '|' || name, 'other|New', 'the name alone') FROM vibe.rename_pipeline(:p, new_name => 'New');
SELECT throws_ok(format('SELECT * FROM vibe.rename_pipeline(%s, %L)', :p, 'research-only'), 'VB032', NULL, 'a slug that is taken');
SELECT throws_ok(format('SELECT * FROM vibe.rename_pipeline(%s, %L)', :p, 'No Slug'), 'VB030', NULL, 'no slug');
SELECT throws_ok($$SELECT * FROM vibe.rename_pipeline(1, 'mine')$$, 'VB036', NULL, 'a preset');
SELECT throws_ok($$SELECT * FROM vibe.rename_pipeline(0, 'mine')$$, 'VB005', NULL, 'no pipeline');

SELECT * FROM finish();
ROLLBACK;
