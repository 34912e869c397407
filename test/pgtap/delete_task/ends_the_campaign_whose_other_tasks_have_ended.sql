BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1), 2) AS c, t.campaign(t.pipeline(1)) AS d \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.delete_task(t.task(:c, 2)) x, vibe.delete_task(t.task(:d)) y \g /dev/null
SELECT is(t.campaign_status(:c), 'completed');
SELECT is(t.campaign_status(:d), 'active', 'one without any task goes on');

SELECT * FROM finish();
ROLLBACK;
