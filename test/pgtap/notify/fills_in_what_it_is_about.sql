BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT t.task(:campaign) AS task, project_id AS project FROM vibe.campaigns WHERE id = :campaign \gset
SELECT is(ARRAY[n.task_id, n.campaign_id, n.project_id], ARRAY[:task, :campaign, :project]::bigint[], 'of a task') FROM vibe.notify('task_blocked', 'x', task_id => :task) n;
SELECT is(ARRAY[n.task_id, n.campaign_id, n.project_id], ARRAY[NULL, :campaign, :project]::bigint[], 'of a campaign') FROM vibe.notify('task_blocked', 'x', campaign_id => :campaign) n;
SELECT is(ARRAY[n.task_id, n.campaign_id, n.project_id], ARRAY[NULL, NULL, :project]::bigint[], 'of a project') FROM vibe.notify('task_blocked', 'x', project_id => :project) n;

SELECT * FROM finish();
ROLLBACK;
