BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P')).id AS p, t.pipeline(1) AS pipeline \gset
SELECT id AS c FROM vibe.create_campaign(:p, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 1, seed_keywords => ARRAY['One', 'Two', 'Three']) \gset
SELECT count(*) FROM vibe.activate_campaign(:c) \g /dev/null
SELECT count(*) FROM vibe.create_task(:p, 'Two', :c) \g /dev/null
SELECT is(row(status, tasks_created)::text, '(active,3)') FROM vibe.extend_campaign(:c, 3);
SELECT results_eq(format('SELECT title FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'c'), ARRAY['One', 'Two', 'Two', 'Three', 'C #5'], 'a task by hand takes no keyword away');
SELECT results_eq(format('SELECT slug FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'c'), ARRAY['one', 'two', 'two--3', 'three', 'task-5'], 'and no file name twice');
SELECT results_eq(format('SELECT number FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'c'), ARRAY[1, 2, 3, 4, 5], 'numbers go on');
SELECT is((SELECT count(*)::int FROM vibe.work WHERE campaign_id = :c AND state = 'ready'), 5, 'all are ready');

SELECT * FROM finish();
ROLLBACK;
