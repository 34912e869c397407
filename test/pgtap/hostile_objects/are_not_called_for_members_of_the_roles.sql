-- A plain login lays traps wherever it may create something and then calls what its roles allow: the verbs run with
-- their owner's rights and must meet none of it.
BEGIN;
SELECT plan(13);

GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA t TO PUBLIC;
CREATE ROLE vibe_test_member IN ROLE vibe_admin;
CREATE ROLE vibe_test_agent IN ROLE vibe_agent;
SET LOCAL ROLE vibe_test_member;
SELECT cmp_ok(t.lay_traps('public'), '>', 300::bigint, 'traps are laid in public');
SELECT cmp_ok(t.lay_traps('pg_temp'), '>', 300::bigint, 'and in pg_temp');

SET LOCAL search_path = public, pg_temp, pg_catalog;
SELECT id AS project FROM vibe.create_project('p', 'P', root_path => '/srv/x') \gset
SELECT name FROM vibe.register_agent('mine', default_model => 'm', runner => 'default') \gset
SELECT slug FROM vibe.create_pipeline('pl', 'PL', '{"main_steps": [{"agent": "mine", "label": "a", "gate": "human", "output_dir": "drafts"}, {"agent": "mine", "label": "b"}],
    "parallel_branches": [{"label": "s", "agent": "mine", "trigger_after_step": 0}]}') \gset
SELECT id AS campaign FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => 'pl', target_article_count => 2, seed_keywords => '{X y}') \gset
SELECT tasks_created FROM vibe.activate_campaign(:campaign) \gset
SELECT tasks_created AS added FROM vibe.generate_tasks(:campaign, 1) \gset
SET LOCAL search_path = '';
SELECT min(id) AS task FROM vibe.tasks WHERE campaign_id = :campaign \gset
SET LOCAL search_path = public, pg_temp, pg_catalog;
SELECT run_id AS run, lock_token AS token FROM vibe.acquire_lock(:task, 'mine') \gset

SET LOCAL ROLE vibe_test_agent;
SELECT renewed FROM vibe.renew_lock(:run, :'token') \gset
SELECT vibe.get_run_input(:run, :'token') AS input \gset
SELECT released FROM vibe.release_lock(:task, 'mine', :'token') \gset
SET LOCAL ROLE vibe_test_member;
SELECT run_id AS run, lock_token AS token FROM vibe.acquire_lock(:task, 'mine') \gset
SET LOCAL ROLE vibe_test_agent;
SELECT waiting_for AS failed FROM vibe.fail_step(:run, :'token', 'blocked', retry_after => '1 hour') \gset
SET LOCAL ROLE vibe_test_member;
SELECT step AS retried FROM vibe.retry_step(:task) \gset
SELECT run_id AS run, lock_token AS token FROM vibe.acquire_lock(:task, 'mine') \gset
SET LOCAL ROLE vibe_test_agent;
SELECT completed FROM vibe.complete_step(:task, 'mine', :'token', output => '{}', quality_score => 5, output_path => 'a/b', summary => 's') \gset
SET LOCAL ROLE vibe_test_member;
SELECT next_step FROM vibe.approve_step(:task) \gset
SELECT revision_count AS revisions FROM vibe.request_revision(:task, 'again') \gset
SELECT status AS paused FROM vibe.pause_campaign(:campaign) \gset
SELECT status AS resumed FROM vibe.resume_campaign(:campaign) \gset
SELECT swept FROM vibe.sweep() \gset
SELECT vibe.get_task_pipeline_status(:task) AS status \gset
SELECT total FROM vibe.campaign_progress(:campaign) \gset
SELECT level FROM vibe.validate_pipeline('{"main_steps": 5}') \g /dev/null
SELECT run_id AS stale FROM vibe.find_stale_locks('1 day') \g /dev/null
SELECT task_id AS orphan FROM vibe.find_orphaned_tasks() \g /dev/null
SELECT state FROM vibe.dispatcher_status() \g /dev/null
SELECT check_campaign_completion AS is_complete FROM vibe.check_campaign_completion(:campaign) \gset
SELECT FROM vibe.cancel_task(:task) \g /dev/null
SELECT status AS ended FROM vibe.cancel_campaign(:campaign) \gset

RESET search_path;
RESET ROLE;
SELECT is(:'tasks_created'::int + :'added'::int, 3, 'a campaign is activated and extended');
SELECT ok(:'renewed' AND :'released', 'a lock renewed and released');
SELECT is(:'failed'::text, 'person', 'a step failed');
SELECT is(:'retried'::int, 0, 'and retried');
SELECT ok(:'completed', 'completed');
SELECT is(:'next_step'::int, 1, 'approved');
SELECT is(:'revisions'::int, 1, 'sent back');
SELECT is(:'paused' || ' ' || :'resumed', 'paused active', 'paused and resumed');
SELECT is(:'ended'::text, 'cancelled', 'and cancelled');
SELECT is((SELECT array_agg(status ORDER BY number) FROM vibe.tasks WHERE campaign_id = :campaign), ARRAY['cancelled', 'cancelled', 'cancelled'], 'in the real tables');
SELECT throws_ok($$SET LOCAL search_path = public, pg_catalog; SELECT 'a'::text = 'a'::text$$, 'EVIL0', NULL, 'the traps do work');

SELECT * FROM finish();
ROLLBACK;
