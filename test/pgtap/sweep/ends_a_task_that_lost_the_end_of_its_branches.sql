BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1))))) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
DELETE FROM vibe.work;
UPDATE vibe.tasks SET cancelled_branches = '{a}' WHERE id = :task;
SELECT is(orphans_dispatched, 1::bigint) FROM vibe.sweep();
SELECT is(t.status(:task), 'completed', 'nothing of it is left to do');
SELECT is(t.campaign_status(:c), 'completed', 'nor of its campaign');

SELECT * FROM finish();
ROLLBACK;
