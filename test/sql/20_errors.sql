-- Bad input everywhere: each error has a code of class VB, says what was given, and what to do.
SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
SET timezone = 'UTC';
SET vibe_orchestrator.fake_now = '2030-01-01 12:00+00';
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE code text; message text; detail text; hint text;
BEGIN
    EXECUTE 'SELECT 1 FROM vibe.' || call;
    RETURN call || E'\n    no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN format(E'%s\n    %s %s\n    %s\n    %s', call, code, message, detail, hint);
END
$$;
DO $$
BEGIN
    PERFORM vibe.create_project('p', 'P');
    PERFORM vibe.register_agent('a');
    PERFORM vibe.create_pipeline('p', 'P', '{"main_steps": [{"agent": "a", "label": "one"}, {"agent": "a", "label": "two", "gate": "human"}]}');
    PERFORM vibe.create_campaign(1, 'planned', 'Planned', pipeline_slug => 'p');
    PERFORM vibe.create_campaign(1, 'active', 'Active', pipeline_slug => 'p', target_article_count => 3);
    PERFORM vibe.create_campaign(1, 'cancelled', 'Cancelled', pipeline_slug => 'p');
    PERFORM vibe.activate_campaign(2);
    PERFORM vibe.cancel_campaign(3);
    PERFORM vibe.acquire_lock(1, 'a');
    PERFORM vibe.cancel_task(3);
END
$$;

\echo == what is not there
SELECT try(call) FROM unnest(ARRAY[
    $$create_campaign(project_id => 99, slug => 'x', name => 'X', pipeline_slug => 'p')$$,
    $$create_campaign(project_id => 1, slug => 'x', name => 'X', pipeline_slug => 'no-such-pipeline')$$,
    $$create_campaign(project_id => 1, slug => 'x', name => 'X', pipeline_id => 99)$$,
    'activate_campaign(99)', 'campaign_progress(99)', 'check_campaign_completion(99)',
    $$acquire_lock(99, 'a')$$, 'get_task_pipeline_status(99)',
    $$acquire_lock(2, 'nobody')$$, 'cancel_run(99)', $$renew_lock(99, 'token')$$, $$retry_step(1, 'No Branch')$$, $$request_revision(1, 'again', 7)$$]) call;

\echo == NULL
SELECT try(call) FROM unnest(ARRAY[
    'create_project(NULL, NULL)', $$create_project('x', NULL)$$, 'register_agent(NULL)', $$create_pipeline('x', 'X', NULL)$$,
    $$create_campaign(NULL, 'x', 'X', pipeline_slug => 'p')$$, $$create_campaign(1, 'x', 'X')$$, $$create_campaign(1, 'x', 'X', pipeline_slug => 'p', target_article_count => NULL)$$,
    'activate_campaign(NULL)', 'generate_tasks(2, NULL)', 'pause_campaign(NULL)', 'cancel_campaign(NULL)', 'cancel_task(NULL)', 'cancel_run(NULL)',
    $$acquire_lock(NULL, 'a')$$, 'acquire_lock(2, NULL)', 'complete_step(NULL, NULL)', $$complete_step(1, NULL)$$, 'fail_step(NULL, NULL)', $$fail_step(1, NULL)$$,
    'renew_lock(1, NULL)', 'release_lock(2, NULL, NULL)', 'retry_step(NULL)', 'approve_step(NULL)', 'request_revision(1, NULL)', 'get_run_input(1, NULL)', 'enable_cron(NULL)',
    'update_project(NULL, NULL)', $$update_project(NULL, '{}')$$, 'archive_project(NULL)', 'get_project(NULL)', 'get_project_by_slug(NULL)', 'list_projects(NULL)',
    'update_campaign(2, NULL)', $$update_campaign(NULL, '{}')$$, 'extend_campaign(NULL, 1)', 'extend_campaign(2, NULL)', 'reopen_campaign(NULL)', 'campaign_manifest(NULL)', 'get_campaign(NULL)', 'list_campaigns(max_rows => NULL)',
    'create_task(NULL, NULL)', 'create_task(1, NULL, 2)', $$create_task(1, 'x')$$, 'update_task(1, NULL)', $$update_task(NULL, '{}')$$, 'set_task_status(1, NULL)', $$set_task_status(NULL, 'blocked')$$,
    'set_priority(1, NULL)', $$set_priority(NULL, 'low')$$, 'assign_task(1, NULL)', $$assign_task(NULL, '{a}')$$, 'unassign_task(NULL)', 'add_subscriber(1, NULL)', 'remove_subscriber(1, NULL)', 'delete_task(NULL)', 'cancel_tasks(NULL)',
    'get_task(NULL)', 'get_step_details(NULL, NULL)', 'get_step_details(1, NULL)', 'list_tasks(max_rows => NULL)', 'list_activities(max_rows => NULL)', 'count_tasks_by_status(NULL, NULL)', 'tasks_with_incomplete_deliverables(NULL)']) call;

\echo == numbers
SELECT try(call) FROM unnest(ARRAY[
    $$create_campaign(1, 'x', 'X', pipeline_slug => 'p', target_article_count => -1)$$, $$create_campaign(1, 'x', 'X', pipeline_slug => 'p', target_article_count => 10000000)$$,
    $$create_campaign(1, 'x', 'X', pipeline_slug => 'p', budget_usd => 0)$$, $$create_campaign(1, 'x', 'X', pipeline_slug => 'p', budget_usd => 'NaN')$$,
    'generate_tasks(2, 0)', 'generate_tasks(2, 10000000)', 'generate_tasks(2, 1000000)',
    $$complete_step(1, 'a', quality_score => 101)$$, $$complete_step(1, 'a', quality_score => 'NaN')$$]) call;

\echo == words
SELECT try(call) FROM unnest(ARRAY[
    $$create_project('p', 'Again')$$, $$create_project('../x', 'X')$$, $$create_project('x', 'X', root_path => '/srv/../etc')$$, $$create_pipeline('p', 'Again', '{"main_steps": [{"agent": "a", "label": "one"}]}')$$,
    $$create_campaign(1, 'active', 'Again', pipeline_slug => 'p')$$, $$register_agent('a', runner => '/bin/sh')$$, $$register_agent('a', default_model => 'x --add-dir /')$$,
    $$complete_step(1, 'a', output_path => '../../etc/passwd')$$, $$create_pipeline('x', 'X', '{}')$$, $$create_pipeline('x', 'X', '{"main_steps": [{"agent": "nobody", "label": "one"}]}')$$]) call;

\echo == not now, not you
SELECT try(call) FROM unnest(ARRAY[
    'generate_tasks(1, 1)', 'pause_campaign(1)', 'resume_campaign(1)', 'complete_campaign(1)', 'complete_campaign(2)', 'activate_campaign(3)', 'generate_tasks(3, 1)',
    'retry_step(1)', 'retry_step(3)', 'approve_step(1)', $$request_revision(3, 'again')$$, $$request_revision(1, 'again')$$,
    'archive_project(1)', 'reopen_campaign(3)', 'extend_campaign(1, 1)', 'extend_campaign(3, 1)', $$update_campaign(2, '{"target_article_count": 9}')$$, $$update_campaign(2, '{"status": "completed"}')$$,
    $$create_task(1, 'x', 3)$$, $$create_task(1, 'x', 2, pipeline_slug => 'p')$$, $$create_task(1, 'x', 2, run_id => 1, lock_token => 'a guessed token')$$, $$set_task_status(1, 'drafted')$$, $$set_task_status(3, 'drafted')$$,
    $$set_task_status(2, 'done')$$, 'delete_task(1)', $$cancel_tasks('{}')$$, $$cancel_tasks('{"everything": true}')$$, 'get_step_details(1, 7)',
    $$release_lock(2, 'a', NULL)$$, $$complete_step(2, 'a')$$, $$complete_step(1, 'vibe-humanizer')$$, $$complete_step(1, 'a', 'a guessed token')$$, $$renew_lock(1, 'a guessed token')$$]) call;

\echo == isolation level
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT try('activate_campaign(1)');
ROLLBACK;

\echo == what all of it left behind
SELECT status, count(*) FROM vibe.campaigns GROUP BY status ORDER BY status;
SELECT status, count(*) FROM vibe.tasks GROUP BY status ORDER BY status;
SELECT state, count(*) FROM vibe.work GROUP BY state ORDER BY state;
SELECT count(*) FROM vibe.runs;

\echo == rights
CREATE ROLE regress_vibe_nobody;
SET ROLE regress_vibe_nobody;
SELECT try('sweep()');
RESET ROLE;
DROP ROLE regress_vibe_nobody;
DROP FUNCTION try;
DROP EXTENSION vibe_orchestrator;
