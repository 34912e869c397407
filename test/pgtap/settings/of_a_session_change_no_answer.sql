-- All at once and before the first call, which is when plpgsql reads a function: what a role may set for itself and
-- what could mean something to parsing, to texts of times and numbers, or to a plan.
BEGIN;
SET LOCAL escape_string_warning = off;
SET LOCAL standard_conforming_strings = off;
SET LOCAL backslash_quote = on;
SET LOCAL TimeZone = 'Asia/Kathmandu';
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL IntervalStyle = 'sql_standard';
SET LOCAL array_nulls = off;
SET LOCAL transform_null_equals = on;
SET LOCAL bytea_output = 'escape';
SET LOCAL extra_float_digits = -15;
SET LOCAL quote_all_identifiers = on;
SET LOCAL client_encoding = 'LATIN1';
SET LOCAL row_security = off;
SET LOCAL statement_timeout = '10min';
SET LOCAL lock_timeout = '10min';
SET LOCAL plan_cache_mode = 'force_generic_plan';
SET LOCAL enable_indexscan = off;
SET LOCAL enable_hashagg = off;
SET LOCAL from_collapse_limit = 1;
SET LOCAL work_mem = '64kB';
SELECT plan(14);

CREATE ROLE vibe_test_member IN ROLE vibe_admin;
SELECT t.now('2031-02-03 04:05:06.5+00') \g /dev/null
SET LOCAL ROLE vibe_test_member;
SET LOCAL search_path = '';
SELECT id AS project, root_path, created_at = '2031-02-03 04:05:06.5+00' AS at FROM vibe.create_project('settings', 'S', root_path => '/srv/ab/.c') \gset
SELECT name FROM vibe.register_agent('settings', prompt_template => '<{title}> by {agent} as {no_field}', default_model => 'a.b') \gset
SELECT slug FROM vibe.create_pipeline('settings', 'S', '{"main_steps": [{"agent": "settings", "label": "one", "timeout": "90 min", "output_dir": "drafts"},
    {"agent": "settings", "label": "two", "gate": "human"}]}') \gset
SELECT id AS campaign FROM vibe.create_campaign(:project, 'settings', 'S', pipeline_slug => 'settings', target_article_count => 2,
    seed_keywords => ARRAY['null', 'a "b" {c}'], deliverables => '{"x": null}', budget_usd => 12.3456789012) \gset
SELECT tasks_created FROM vibe.activate_campaign(:campaign) \gset
SELECT min(id) AS task, max(id) AS other FROM vibe.tasks WHERE campaign_id = :campaign \gset
SELECT run_id AS run, lock_token AS token, lease_expires_at = '2031-02-03 04:10:06.5+00' AS lease FROM vibe.acquire_lock(:task, 'settings') \gset
SELECT vibe.get_run_input(:run, :'token') AS input \gset
SELECT task_status AS drafted FROM vibe.complete_step(:task, 'settings', :'token', output => '{"n": 1e2, "t": "2031-02-03"}', quality_score => 82.55, output_path => 'drafts/ab/x.md') \gset
SELECT run_id AS run, lock_token AS token FROM vibe.acquire_lock(:other, 'settings') \gset
SELECT waiting_for AS waits, ready_at = '2031-02-04 05:05:06.5+00' AS ready FROM vibe.fail_step(:run, :'token', retry_after => '1 day 1 hour') \gset
SELECT vibe.get_task_pipeline_status(:task) AS status \gset
SELECT total || ' ' || waiting AS progress FROM vibe.campaign_progress(:campaign) \gset
SELECT count(*) AS stale FROM vibe.find_stale_locks(older_than => '1 hour') \gset
SELECT swept FROM vibe.sweep() \gset
RESET search_path;
SELECT is(:'root_path'::text, '/srv/ab/.c', 'a path is what it is');
SELECT ok(:'at' AND :'lease', 'times are');
SELECT is(:'tasks_created'::int, 2, 'a campaign is activated');
SELECT is((SELECT array_agg(title ORDER BY number) FROM vibe.tasks WHERE campaign_id = :campaign), ARRAY['null', 'a "b" {c}']::text[], 'titles are those of the keywords');
SELECT is((SELECT budget_usd FROM vibe.campaigns WHERE id = :campaign), 12.3456789012, 'amounts keep their digits');
SELECT is(:'input'::jsonb ->> 'prompt', '<null> by settings as {no_field}', 'a prompt is filled in');
SELECT is((:'input'::jsonb ->> 'timeout_s')::int, 5400, 'a limit is in seconds');
SELECT is(:'drafted'::text, 'drafted', 'a status follows its step');
SELECT is((SELECT output || jsonb_build_object('score', quality_score) FROM vibe.runs WHERE task_id = :task), '{"n": 100, "t": "2031-02-03", "score": 82.55}', 'results are kept');
SELECT ok(:'waits' = 'back_off' AND :'ready', 'a back-off ends when it should');
SELECT is(:'status'::jsonb #>> '{pipeline,0,status}', 'completed', 'the status is told');
SELECT is(:'progress'::text, '2 1', 'and the progress');
SELECT is(:'stale'::int, 0, 'no lock is stale');
SELECT ok(:'swept', 'the sweep works');

SELECT * FROM finish();
ROLLBACK;
