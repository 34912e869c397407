BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P')).id AS p \gset
SELECT count(*) FROM generate_series(1, 5) n, vibe.create_campaign(:p, 'page-' || n, 'C', pipeline_slug => 'content-draft') \g /dev/null
SELECT results_eq(format('SELECT slug FROM vibe.list_campaigns(%s, max_rows => 2)', :'p'), ARRAY['page-5', 'page-4'], 'the first page');
SELECT id AS last FROM vibe.get_campaign_by_slug('page-4') \gset
SELECT results_eq(format('SELECT slug FROM vibe.list_campaigns(%s, max_rows => 2, after_id => %s)', :'p', :'last'), ARRAY['page-3', 'page-2'], 'the next one');
SELECT count(*) FROM vibe.activate_campaign((SELECT id FROM vibe.get_campaign_by_slug('page-3'))) \g /dev/null
SELECT results_eq(format($$SELECT slug FROM vibe.list_campaigns(%s, 'active')$$, :'p'), ARRAY['page-3'], 'of one status');
SELECT results_eq($$SELECT slug FROM vibe.list_campaigns(status => 'active', max_rows => 1)$$, ARRAY['page-3'], 'of all projects');
SELECT is((SELECT count(*)::int FROM vibe.list_campaigns() c WHERE c.project_id = :p), 5, 'or all');

SELECT * FROM finish();
ROLLBACK;
