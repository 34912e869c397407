BEGIN;
SELECT plan(13);

SELECT t.campaign(t.pipeline(2)) AS campaign \gset
SET LOCAL ROLE vibe_viewer;
SELECT is(total, 1::bigint, 'a viewer reads through functions') FROM vibe.campaign_progress(:campaign);
SELECT is(vibe.get_task_pipeline_status((SELECT id FROM vibe.tasks WHERE campaign_id = :campaign)) ->> 'status', 'backlog', 'and with their helpers');
SELECT lives_ok(call, call) FROM unnest(ARRAY[format('SELECT * FROM vibe.list_campaigns(), vibe.list_projects(), vibe.list_tasks(), vibe.list_activities(), vibe.count_tasks_by_status(), vibe.list_active_campaigns(), vibe.campaign_manifest(%s)', :'campaign'),
    format('SELECT vibe.get_step_details(id, 1) FROM vibe.list_tasks(campaign_id => %s)', :'campaign'), format('SELECT * FROM vibe.tasks_with_incomplete_deliverables(%s)', :'campaign')]) call;
SELECT throws_ok('SELECT vibe.get_task_pipeline_status(0)', 'VB003', NULL, 'and is told what is wrong');
SELECT throws_ok(format('SELECT * FROM vibe.pause_campaign(%s)', :campaign), '42501', NULL, 'but changes nothing');
SET LOCAL ROLE vibe_operator;
SELECT is(status, 'paused', 'an operator does') FROM vibe.pause_campaign(:campaign);
SELECT throws_ok($$SELECT * FROM vibe.register_agent('mine')$$, '42501', NULL, 'but makes no agent');
SELECT is(slug, 'fork', 'and forks pipelines') FROM vibe.fork_pipeline(1, 'fork');
SELECT isnt(paused_at, NULL, 'and pauses one') FROM vibe.set_agent_paused('agent-1', true);
SET LOCAL ROLE vibe_admin;
SELECT is(name, 'mine', 'an admin makes agents') FROM vibe.register_agent('mine');
SELECT is((SELECT actor FROM vibe.activities WHERE campaign_id = :campaign AND kind = 'campaign_paused'), 'vibe_operator', 'the feed names the role that was set, not the owner');

SELECT * FROM finish();
ROLLBACK;
