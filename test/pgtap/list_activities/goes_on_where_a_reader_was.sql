BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(3)) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task), t.done(:task), t.done(:task) \g /dev/null
SELECT array_agg(id ORDER BY id) AS ids FROM vibe.list_activities(campaign_id => :c) \gset
SELECT is(cardinality(:'ids'::bigint[]), 8, 'three runs, an activation and an end');
SELECT is((SELECT array_agg(id) FROM vibe.list_activities(campaign_id => :c, max_rows => 3)), (:'ids'::bigint[])[6:8], 'the newest, in ascending order');
SELECT is((SELECT array_agg(id) FROM vibe.list_activities(campaign_id => :c, max_rows => 3, before_id => (:'ids'::bigint[])[6])), (:'ids'::bigint[])[3:5], 'the page before');
SELECT is((SELECT array_agg(id) FROM vibe.list_activities(campaign_id => :c, after_id => (:'ids'::bigint[])[2], max_rows => 3)), (:'ids'::bigint[])[3:5], 'the next ones after a place');
SELECT is((SELECT array_agg(id) FROM vibe.list_activities(after_id => (:'ids'::bigint[])[2], max_rows => 3)), (:'ids'::bigint[])[3:5], 'the same of all');
SELECT is_empty(format('SELECT * FROM vibe.list_activities(campaign_id => %s, after_id => %s)', :'c', (:'ids'::bigint[])[8]), 'nothing is new');
SELECT is_empty(format('SELECT * FROM vibe.list_activities(campaign_id => %s, project_id => %s)', :'c', (vibe.create_project('other', 'O')).id), 'nothing of another project');
SELECT throws_ok('SELECT * FROM vibe.list_activities(max_rows => 0)', 'VB030', NULL, 'a page has rows');

SELECT * FROM finish();
ROLLBACK;
