-- 100,000 tasks in one call, and all of them gone with one ROLLBACK.
SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
SELECT count(*) AS set_up FROM vibe.create_project('p', 'P') p, vibe.create_campaign(p.id, 'c', 'C', pipeline_slug => 'full-content-production', target_article_count => 100000);
SELECT id AS campaign FROM vibe.campaigns \gset
BEGIN;
SELECT status, tasks_created FROM vibe.activate_campaign(:campaign);
SELECT count(*) AS tasks, count(DISTINCT slug) AS slugs, max(number) AS last FROM vibe.tasks;
SELECT state, count(*) FROM vibe.work GROUP BY state;
SELECT count(*) AS claimed FROM vibe._claim_runs('{default}', '{50}', 50);
SELECT total, ready, running, steps_total FROM vibe.campaign_progress(:campaign);
ROLLBACK;
SELECT (SELECT count(*) FROM vibe.tasks) AS tasks, (SELECT count(*) FROM vibe.work) AS work, (SELECT count(*) FROM vibe.runs) AS runs, (SELECT count(*) FROM vibe.activities) AS activities;
SELECT status FROM vibe.campaigns;
DROP EXTENSION vibe_orchestrator;
