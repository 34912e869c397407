BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1)))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'a') \g /dev/null
DELETE FROM vibe.work WHERE task_id = :task;
SELECT is((SELECT row(o.task_id, o.step)::text FROM vibe.find_orphaned_tasks() o), format('(%s,2)', :'task'), 'it is found');
SELECT is(orphans_dispatched, 1::bigint) FROM vibe.sweep();
SELECT is((SELECT string_agg(branch || t.work(task_id, branch), ',') FROM vibe.work WHERE task_id = :task), '2 ready', 'its step is ready, the finished branch stays closed');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'orphan_requeued'), 1, 'the feed says so');
SELECT is_empty('SELECT * FROM vibe.find_orphaned_tasks()');

SELECT * FROM finish();
ROLLBACK;
