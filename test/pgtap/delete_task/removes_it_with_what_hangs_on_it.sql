BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT count(*) FROM vibe.assign_task(:task, '{agent-1}'), vibe.add_subscriber(:task, 'ann') \g /dev/null
SELECT is(row(x.task_id, x.title)::text, format('(%s,"Test #1")', :'task')) FROM vibe.delete_task(:task) x;
SELECT is_empty(format('SELECT task_id FROM vibe.%I WHERE task_id = %s', tab, :'task'), tab) FROM unnest(ARRAY['work', 'runs', 'task_assignees', 'task_subscribers']) tab;
SELECT is((SELECT message FROM vibe.activities WHERE kind = 'task_deleted'), 'Task "Test #1" was deleted.', 'the feed remembers it');
SELECT throws_ok(format('SELECT * FROM vibe.delete_task(%s)', :'task'), 'VB003', NULL, 'it is not there a second time');

SELECT * FROM finish();
ROLLBACK;
