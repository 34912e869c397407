BEGIN;
SELECT plan(4);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT throws_ok(format('SELECT * FROM vibe.activate_campaign(%s, %s)', :c, n), 'VB030', NULL, n || ' tasks')
  FROM unnest(ARRAY[0, -1, 1000001]) n;
SELECT is(t.campaign_status(:c), 'planning');

SELECT * FROM finish();
ROLLBACK;
