BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(1), 5) AS c, t.campaign(t.pipeline(1), 2) AS d \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT results_eq(format('SELECT number FROM vibe.list_tasks(campaign_id => %s, max_rows => 2)', :'c'), ARRAY[5, 4], 'of a campaign');
SELECT results_eq(format('SELECT number FROM vibe.list_tasks(campaign_id => %s, max_rows => 2, after_id => %s)', :'c', t.task(:c, 4)), ARRAY[3, 2], 'the next page');
SELECT t.done(t.task(:c, 2)) \g /dev/null
SELECT results_eq(format($$SELECT number FROM vibe.list_tasks(campaign_id => %s, status => 'completed')$$, :'c'), ARRAY[2], 'in one status');
SELECT results_eq(format($$SELECT number FROM vibe.list_tasks(%s, status => 'completed')$$, :'p'), ARRAY[2], 'of a project in one status');
SELECT is((SELECT count(*)::int FROM vibe.list_tasks(:p)), 5, 'of a project');
SELECT results_eq($$SELECT number FROM vibe.list_tasks(status => 'completed')$$, ARRAY[2], 'of all in one status');
SELECT is((SELECT count(*)::int FROM vibe.list_tasks()), 7, 'or all');
SELECT is_empty(format('SELECT * FROM vibe.list_tasks(%s, %s)', :'p', :'d'), 'none of a campaign of another project');

SELECT * FROM finish();
ROLLBACK;
