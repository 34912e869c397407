BEGIN;
SELECT plan(1);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0))))) AS campaign \gset
SELECT t.done(t.task(:campaign)), t.done(t.task(:campaign), 'Side') \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'task_completed'), 1::bigint, 'once');

SELECT * FROM finish();
ROLLBACK;
