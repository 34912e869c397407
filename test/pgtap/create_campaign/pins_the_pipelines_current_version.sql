BEGIN;
SELECT plan(5);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT is(c.status || '|' || c.pipeline_slug || '|' || c.pipeline_version || '|' || c.target_article_count, 'planning|' || :'pipeline' || '|1|5', 'planning, with defaults')
  FROM vibe.create_campaign(project_id => :project, slug => 'c', name => 'C', pipeline_slug => :'pipeline') c;
SELECT is((vibe._insert_version((SELECT id FROM vibe.pipelines WHERE slug = :'pipeline'), t.definition(2), vibe.clock())).number, 2, 'the pipeline gets a version 2');
SELECT is(c.pipeline_version, 2, 'a later campaign takes version 2')
  FROM vibe.create_campaign(project_id => :project, slug => 'd', name => 'D', pipeline_id => (SELECT id FROM vibe.pipelines WHERE slug = :'pipeline')) c;
SELECT is((SELECT v.number FROM vibe.campaigns c JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id WHERE c.slug = 'c'), 1, 'the earlier one keeps version 1');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'c', 'C', pipeline_slug => %L)$$, :'project', :'pipeline'), 'VB032', NULL, 'its slug is taken');

SELECT * FROM finish();
ROLLBACK;
