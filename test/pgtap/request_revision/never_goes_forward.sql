BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('late', 3)))))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task), '2 ready');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, 3, %L)', :task, 'x', 'late'), 'VB007', NULL, 'not for a branch whose trigger is still ahead, either');
SELECT is(next_step, 1) FROM vibe.request_revision(:task, 'x', 1, 'late');

SELECT * FROM finish();
ROLLBACK;
