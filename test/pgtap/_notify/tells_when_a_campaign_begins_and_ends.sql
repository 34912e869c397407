BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
SELECT is((SELECT string_agg(kind, ' ' ORDER BY id) FROM vibe.notifications), 'campaign_activated', 'activation');
SELECT t.done(t.task(:campaign, 1)), t.done(t.task(:campaign, 2)) \g /dev/null
SELECT is((SELECT string_agg(kind, ' ' ORDER BY id) FROM vibe.notifications), 'campaign_activated task_completed task_completed campaign_completed', 'each task, then the campaign');
SELECT is((SELECT DISTINCT task_id FROM vibe.notifications WHERE kind = 'task_completed' ORDER BY 1 LIMIT 1), t.task(:campaign, 1), 'which task');
SELECT is((SELECT detail ->> 'tasks_created' FROM vibe.notifications WHERE kind = 'campaign_activated'), '2', 'with the values of the feed');

SELECT * FROM finish();
ROLLBACK;
