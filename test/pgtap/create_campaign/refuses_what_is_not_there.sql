BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT throws_ok($$SELECT * FROM vibe.create_campaign(-1, 'c', 'C', pipeline_slug => 'content-draft')$$, 'VB001', NULL, 'no such project');
SELECT throws_ok($$SELECT * FROM vibe.create_campaign(NULL, 'c', 'C', pipeline_slug => 'content-draft')$$, 'VB001', NULL, 'project NULL');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'c', 'C', pipeline_slug => 'none')$$, :'project'), 'VB005', NULL, 'no such pipeline');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'c', 'C')$$, :'project'), 'VB030', NULL, 'no pipeline at all');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'c', 'C', pipeline_id => 1, pipeline_slug => 'content-draft')$$, :'project'), 'VB030', NULL, 'two pipelines');

SELECT * FROM finish();
ROLLBACK;
