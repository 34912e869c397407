-- Whatever a role with CREATE on a schema, or any session in pg_temp, puts in the way of the verbs: each trap
-- raises an error of its own.
BEGIN;
SELECT plan(4);

CREATE SCHEMA evil;
CREATE FUNCTION evil.caught() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'EVIL0', MESSAGE = 'captured'; END $$;
DO $$
DECLARE place text;
BEGIN
    FOREACH place IN ARRAY ARRAY['evil', 'pg_temp'] LOOP
        EXECUTE replace($traps$
            CREATE FUNCTION PLACE.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.caught()::timestamptz';
            CREATE FUNCTION PLACE.clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.caught()::timestamptz';
            CREATE FUNCTION PLACE._wake(boolean) RETURNS boolean LANGUAGE sql AS 'SELECT evil.caught()::boolean';
            CREATE FUNCTION PLACE.lower(text) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()';
            CREATE FUNCTION PLACE.btrim(text) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()';
            CREATE FUNCTION PLACE.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT evil.caught()::bytea';
            CREATE FUNCTION PLACE.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT evil.caught()';
            CREATE FUNCTION PLACE.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.caught()::boolean';
            CREATE FUNCTION PLACE.eq(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT evil.caught()::boolean';
            CREATE OPERATOR PLACE.= (LEFTARG = text, RIGHTARG = text, FUNCTION = PLACE.eq);
            CREATE OPERATOR PLACE.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = PLACE.eq);
            CREATE DOMAIN PLACE.interval AS text CHECK (evil.caught() IS NULL);
            CREATE TABLE PLACE.tasks (LIKE vibe.tasks);
            CREATE TABLE PLACE.work (LIKE vibe.work);
            CREATE TABLE PLACE.runs (LIKE vibe.runs);
            CREATE TABLE PLACE.pg_database (LIKE pg_catalog.pg_database)$traps$, 'PLACE', place);
    END LOOP;
END
$$;
-- The life of a task through every verb; what it returns must not depend on the search path.
CREATE FUNCTION evil.life() RETURNS text LANGUAGE plpgsql AS $$
DECLARE project bigint; campaign bigint; task bigint; held record; run record; said text;
BEGIN
    SELECT id INTO project FROM vibe.create_project('p', 'P', root_path => '/srv/x');
    PERFORM vibe.register_agent('mine', default_model => 'm');
    PERFORM vibe.create_pipeline('pl', 'PL', '{"main_steps": [{"agent": "mine", "label": "a", "gate": "human", "output_dir": "drafts"}, {"agent": "mine", "label": "b"}], "parallel_branches": [{"label": "s", "agent": "mine", "trigger_after_step": 0}]}');
    PERFORM vibe.register_skill('sk', 'SK', 'skills/sk');
    PERFORM vibe.set_agent_skills('mine', '{sk}');
    PERFORM vibe.update_agent('mine', '{"max_parallel": 2, "heartbeat_schedule": "*/5 1-2 * jan mon"}');
    PERFORM vibe.set_agent_paused('mine', true);
    PERFORM vibe.set_agent_paused('mine', false);
    PERFORM vibe.agent_heartbeat('mine');
    PERFORM vibe.list_agents();
    PERFORM vibe.delete_skill(slug) FROM vibe.register_skill('other', 'O', 'o');
    PERFORM vibe.delete_agent(name) FROM vibe.register_agent('other');
    PERFORM vibe.update_pipeline(id, '{"mainSteps": [{"agent": "mine", "label": "a"}]}') FROM vibe.fork_pipeline(1, 'fork');
    PERFORM vibe.set_step_models(id, '{"0": "m"}') FROM vibe.rename_pipeline((SELECT f.id FROM vibe.get_pipeline_by_slug('fork') f), 'renamed');
    PERFORM vibe.delete_pipeline(id) FROM vibe.import_pipeline(vibe.export_pipeline(1), 'copy');
    PERFORM vibe.list_pipelines();
    SELECT id INTO campaign FROM vibe.create_campaign(project, 'c', 'C', pipeline_slug => 'pl', target_article_count => 2, seed_keywords => '{X y}');
    PERFORM vibe.activate_campaign(campaign);
    SELECT id INTO task FROM vibe.tasks WHERE campaign_id OPERATOR(pg_catalog.=) campaign AND number OPERATOR(pg_catalog.=) 1;
    SELECT * INTO held FROM vibe.acquire_lock(task, 'mine');
    PERFORM vibe.renew_lock(held.run_id, held.lock_token);
    PERFORM vibe.get_run_input(held.run_id, held.lock_token);
    PERFORM vibe.complete_step(task, 'mine', held.lock_token, quality_score => 5);
    PERFORM vibe.approve_step(task);
    PERFORM vibe.request_revision(task, 'again');
    PERFORM vibe.pause_campaign(campaign);
    PERFORM vibe.resume_campaign(campaign);
    PERFORM vibe.sweep();
    FOR run IN SELECT * FROM vibe._claim_runs('{default}', '{9}', 9) LOOP
        PERFORM vibe._mark_started(ARRAY[run.run_id], '{1}', '{1}', 'b', 'n');
        PERFORM vibe._finish_run(run.run_id, '{"outcome": "done"}');
    END LOOP;
    PERFORM vibe.approve_step(task);
    FOR run IN SELECT * FROM vibe._claim_runs('{default}', '{9}', 9) LOOP
        PERFORM vibe._finish_run(run.run_id, '{"outcome": "failed"}');
    END LOOP;
    PERFORM vibe.retry_step(task);
    SELECT * INTO held FROM vibe.acquire_lock(task, 'mine');
    PERFORM vibe.fail_step(held.run_id, held.lock_token, 'blocked');
    PERFORM vibe.validate_pipeline('{"main_steps": 5}');
    SELECT vibe.get_task_pipeline_status(task) ->> 'status' INTO said;
    PERFORM vibe.campaign_progress(campaign);
    PERFORM vibe.enable_cron();
    PERFORM vibe.take_over();
    PERFORM vibe.cancel_task(task);
    PERFORM vibe.cancel_campaign(campaign);
    RETURN said;
END
$$;
CREATE TEMP TABLE path AS SELECT current_setting('search_path') AS normal;
SELECT set_config('search_path', 'evil, pg_temp, pg_catalog', true) \g /dev/null
SELECT evil.life() AS life \gset
SELECT set_config('search_path', (SELECT normal FROM path), true) \g /dev/null
SELECT is(:'life'::text, 'blocked', 'a task went through all of it');
SELECT is((SELECT status FROM vibe.campaigns), 'cancelled', 'in the real tables');
SELECT is((SELECT count(*)::int FROM evil.tasks) + (SELECT count(*)::int FROM pg_temp.tasks) + (SELECT count(*)::int FROM evil.runs), 0, 'not in the fake ones');
SELECT throws_ok($$SET LOCAL search_path = evil, pg_catalog; SELECT 'a'::text = 'a'::text$$, 'EVIL0', NULL, 'the traps do work');

SELECT * FROM finish();
ROLLBACK;
