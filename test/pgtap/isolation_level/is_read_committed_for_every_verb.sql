BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT plan(65);

SELECT throws_ok('SELECT * FROM vibe.' || call, 'VB022', NULL, call) FROM unnest(ARRAY[
    $$create_project('a', 'b')$$, $$register_agent('a')$$, $$create_pipeline('a', 'b', '{}')$$, 'update_pipeline(1)', 'rename_pipeline(1)', $$fork_pipeline(1, 'a')$$, 'delete_pipeline(1)',
    $$set_step_models(1, '{}')$$, $$import_pipeline('{}')$$, $$update_agent('a', '{}')$$, $$reset_agent('a')$$, $$set_agent_paused('a', true)$$, $$agent_heartbeat('a')$$, $$delete_agent('a')$$,
    $$register_skill('a')$$, $$delete_skill('a')$$, $$set_agent_skills('a', '{}')$$,
    $$create_campaign(1, 'a', 'b', 1)$$, 'activate_campaign(1)',
    'generate_tasks(1, 1)', 'pause_campaign(1)', 'resume_campaign(1)', 'complete_campaign(1)', 'cancel_campaign(1)',
    $$acquire_lock(1, 'a')$$, $$release_lock(1, 'a', 'x')$$, $$renew_lock(1, 'x')$$, $$complete_step(1, 'a')$$, $$fail_step(1, 'x')$$, 'retry_step(1)', 'approve_step(1)',
    $$request_revision(1, 'x')$$, 'cancel_task(1)', 'cancel_run(1)', $$cancel_branch(1, 'x')$$, 'dispatch_agent(1)', $$retry_steps('{"outcome": "failed"}')$$, $$get_run_input(1, 'x')$$, 'sweep()', 'drain()', 'take_over()',
    $$claim_runs('{agent-1}')$$, $$complete_steps('[]')$$, $$set_provider_limit('a', 1)$$, $$pause_provider('a')$$, $$resume_provider('a')$$,
    $$update_project(1, '{}')$$, 'archive_project(1)', $$update_campaign(1, '{}')$$, 'reopen_campaign(1)', 'extend_campaign(1, 1)',
    $$create_task(1, 'x')$$, $$update_task(1, '{}')$$, $$set_task_status(1, 'completed')$$, $$set_priority(1, 'low')$$, $$assign_task(1, '{a}')$$, 'unassign_task(1)',
    $$add_subscriber(1, 'a')$$, $$remove_subscriber(1, 'a')$$, 'delete_task(1)', $$cancel_tasks('{}')$$,
    $$_claim_runs('{default}', '{1}', 1)$$, $$_finish_run(1, '{}')$$, '_promote_due()', $$_unclaim_paused('{1}')$$]) call;

SELECT * FROM finish();
ROLLBACK;
