BEGIN;
SELECT plan(10);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT t.campaign('own') AS c \gset
SELECT vibe.cancel_campaign(:c) \g /dev/null
SELECT is(archived, true, 'its versions stay for them') FROM vibe.delete_pipeline(:p);
SELECT is(archived, true, 'repeated it is the same') FROM vibe.delete_pipeline(:p);
SELECT is_empty($$SELECT * FROM vibe.list_pipelines() WHERE slug = 'own'$$, 'lists leave it out');
SELECT isnt(archived_at, NULL, 'its id finds it') FROM vibe.get_pipeline(:p);
SELECT is_empty($$SELECT * FROM vibe.get_pipeline_by_slug('own')$$, 'its slug does not');
SELECT throws_ok($$SELECT t.campaign('own')$$, 'VB005', NULL, 'nothing new can use it by slug');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign((SELECT max(id) FROM vibe.projects), 'x', 'X', pipeline_id => %s)$$, :p), 'VB005', NULL, 'nor by id');
SELECT throws_ok(format('SELECT * FROM vibe.update_pipeline(%s, t.definition(1))', :p), 'VB005', NULL, 'nor change it');
SELECT is(slug || main_steps, 'own3', 'a fork brings it back') FROM vibe.fork_pipeline(:p, 'own');
SELECT is((SELECT status FROM vibe.campaigns WHERE id = :c), 'cancelled', 'the campaign is as it was');

SELECT * FROM finish();
ROLLBACK;
