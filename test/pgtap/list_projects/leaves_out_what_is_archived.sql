BEGIN;
SELECT plan(3);

SELECT id AS p FROM vibe.create_project('a', 'A') \gset
SELECT id AS q FROM vibe.create_project('b', 'B') \gset
SELECT count(*) FROM vibe.create_campaign(:p, 'c', 'C', pipeline_slug => 'content-draft') \g /dev/null
SELECT count(*) FROM vibe.archive_project(:q) \g /dev/null
SELECT results_eq($$SELECT slug FROM vibe.list_projects() WHERE slug IN ('a', 'b')$$, ARRAY['a'], 'as a rule');
SELECT results_eq($$SELECT slug FROM vibe.list_projects(include_archived => true) WHERE slug IN ('a', 'b')$$, ARRAY['a', 'b'], 'unless asked for');
SELECT is(row(campaign_count, open_campaign_count)::text, '(1,1)', 'with its campaigns counted') FROM vibe.list_projects() WHERE slug = 'a';

SELECT * FROM finish();
ROLLBACK;
