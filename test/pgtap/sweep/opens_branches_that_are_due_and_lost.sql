BEGIN;
SELECT plan(8);

SELECT t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('Image', 1, '{"deliverable": "heroImage"}'), t.branch('late', 2)))) AS p \gset
SELECT t.task(t.campaign(:'p')) AS task, t.task(t.campaign(:'p', deliverables => '[]')) AS none, t.task(t.campaign(:'p')) AS stuck \gset
SELECT t.done(:task), t.done(:none), t.done(:stuck), t.done(:stuck) \g /dev/null
DELETE FROM vibe.work WHERE branch <> '' AND task_id = :task;
UPDATE vibe.tasks SET deliverables = '["heroImage"]' WHERE id = :none;
SELECT set_eq('SELECT task_id || branch FROM vibe.find_missing_branches()', ARRAY[:task || 'a', :task || 'Image', :none || 'Image'], 'one whose row is lost, one that is wanted only now; not one whose trigger is ahead');
SELECT is(branches_dispatched, 2::bigint, 'tasks that were mended') FROM vibe.sweep();
SELECT is(t.work(:task, 'a') || ', ' || t.work(:task, 'Image'), '0 ready, 0 ready');
SELECT is(t.work(:none, 'Image'), '0 ready');
SELECT is_empty('SELECT * FROM vibe.find_missing_branches()');
-- The main line waits for branches of which none is left.
SELECT t.done(:stuck, 'a'), t.done(:stuck, 'Image') \g /dev/null
DELETE FROM vibe.work WHERE task_id = :stuck AND branch = 'late';
UPDATE vibe.tasks SET cancelled_branches = '{late}' WHERE id = :stuck;
SELECT is(t.work(:stuck), '3 waiting branches');
SELECT is(branches_dispatched, 1::bigint) FROM vibe.sweep();
SELECT is(t.work(:stuck), '3 ready');

SELECT * FROM finish();
ROLLBACK;
