BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(1), 3) AS c, t.campaign(t.pipeline(1)) AS d \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.count_tasks_by_status(campaign_id => :c)), (SELECT count(*) FROM vibe.task_statuses), 'none is left out');
SELECT results_eq(format('SELECT status, task_count FROM vibe.count_tasks_by_status(campaign_id => %s) WHERE task_count > 0', :'c'), $$VALUES ('backlog', 2::bigint), ('completed', 1)$$, 'of a campaign');
SELECT results_eq(format('SELECT status, task_count FROM vibe.count_tasks_by_status(%s) WHERE task_count > 0', (SELECT project_id FROM vibe.campaigns WHERE id = :d)), $$VALUES ('backlog', 1::bigint)$$, 'of a project');
SELECT results_eq('SELECT status, task_count FROM vibe.count_tasks_by_status() WHERE task_count > 0', $$VALUES ('backlog', 3::bigint), ('completed', 1)$$, 'of all');
SELECT is((SELECT sum(task_count) FROM vibe.count_tasks_by_status((SELECT project_id FROM vibe.campaigns WHERE id = :d), :c)), 0::numeric, 'none of a campaign of another project');

SELECT * FROM finish();
ROLLBACK;
