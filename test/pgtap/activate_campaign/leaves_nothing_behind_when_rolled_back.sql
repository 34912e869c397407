BEGIN;
SELECT plan(2);

SELECT t.pipeline(2) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 50) \gset
SELECT t.everything() AS before \gset
SAVEPOINT here;
SELECT is(tasks_created, 50::bigint) FROM vibe.activate_campaign(:c);
ROLLBACK TO here;
SELECT is(t.everything(), :'before', 'every table is as it was');

SELECT * FROM finish();
ROLLBACK;
