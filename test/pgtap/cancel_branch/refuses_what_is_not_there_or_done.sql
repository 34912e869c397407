BEGIN;
SELECT plan(7);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('gated', 1, '{"gate": "human"}')))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'a'), t.done(:task, 'gated') \g /dev/null
SELECT throws_ok('SELECT * FROM vibe.cancel_branch(-1, ''a'')', 'VB003', NULL, 'no such task');
SELECT throws_ok(format('SELECT * FROM vibe.cancel_branch(%s, %L)', :task, branch), 'VB007', NULL, 'no such branch') FROM unnest(ARRAY['', 'nowhere', NULL]) branch;
SELECT throws_ok(format('SELECT * FROM vibe.cancel_branch(%s, %L)', :task, 'a'), 'VB020', NULL, 'a branch that is done');
SELECT is(cancelled, true, 'one that nobody has approved can be') FROM vibe.cancel_branch(:task, 'gated');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.cancel_branch(%s, %L)', :task, 'a'), 'VB020', NULL, 'a task that has ended');

SELECT * FROM finish();
ROLLBACK;
