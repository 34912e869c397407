BEGIN;
SELECT plan(2);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 1)))))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task), NULL, 'the main line is finished');
SELECT is(next_step, 2, 'its last step is the nearest one') FROM vibe.request_revision(:task, 'again');

SELECT * FROM finish();
ROLLBACK;
