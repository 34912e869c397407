BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT count(*) FROM vibe.assign_task(:task, ARRAY['agent-1', 'agent-2', 'agent-3']) \g /dev/null
SELECT is(assignees, '{agent-1,agent-3}', 'one') FROM vibe.unassign_task(:task, ARRAY['agent-2']);
SELECT is(assignees, '{agent-1,agent-3}', 'one that is not there') FROM vibe.unassign_task(:task, ARRAY['agent-2', 'nobody']);
SELECT is(assignees, '{}', 'all') FROM vibe.unassign_task(:task);
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_unassigned'), 2, 'the feed tells of each change');
SELECT throws_ok('SELECT * FROM vibe.unassign_task(-1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
