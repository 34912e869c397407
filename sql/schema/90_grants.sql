-- Who may call what: all grants of the extension, and nowhere else.
--
--   vibe_viewer    reads: every table, every function that only reads
--   vibe_operator  runs the business; may all that a viewer may
--   vibe_admin     agents, providers, services, limits; may all that an operator may
--   vibe_agent     only functions that check the token of a run; reads nothing
--
-- A function that writes runs with its owner's rights (SECURITY DEFINER), because none of the roles may write a
-- table: what it may do is what the function does. A function that only reads runs with its caller's. What stands
-- in no list below is for superusers.

REVOKE ALL ON SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vibe FROM PUBLIC;

GRANT USAGE ON SCHEMA vibe TO vibe_viewer, vibe_agent;
GRANT SELECT ON ALL TABLES IN SCHEMA vibe TO vibe_viewer;

-- What cannot write is the viewer's, internal helpers included: reading functions call them with his rights.
DO $viewer$
DECLARE
    reads pg_catalog.regprocedure;
BEGIN
    FOR reads IN
        SELECT p.oid FROM pg_catalog.pg_proc p
         WHERE p.pronamespace = 'vibe'::pg_catalog.regnamespace AND p.provolatile <> 'v' AND p.prokind = 'f'
           AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO vibe_viewer', reads);
    END LOOP;
END
$viewer$;
GRANT EXECUTE ON FUNCTION vibe.clock TO vibe_viewer;

-- Projects
GRANT EXECUTE ON FUNCTION vibe.create_project, vibe.update_project, vibe.archive_project TO vibe_operator;

-- Campaigns
GRANT EXECUTE ON FUNCTION
    vibe.update_campaign, vibe.extend_campaign, vibe.reopen_campaign
TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.create_campaign, vibe.activate_campaign, vibe.generate_tasks, vibe.pause_campaign,
    vibe.resume_campaign, vibe.complete_campaign, vibe.cancel_campaign, vibe.check_campaign_completion
TO vibe_operator;

-- Tasks
GRANT EXECUTE ON FUNCTION
    vibe.create_task, vibe.update_task, vibe.set_task_status, vibe.set_priority, vibe.assign_task, vibe.unassign_task,
    vibe.add_subscriber, vibe.remove_subscriber, vibe.delete_task, vibe.cancel_tasks
TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.create_task TO vibe_agent;

-- Pipelines
GRANT EXECUTE ON FUNCTION
    vibe.create_pipeline, vibe.update_pipeline, vibe.rename_pipeline, vibe.fork_pipeline, vibe.delete_pipeline,
    vibe.set_step_models, vibe.import_pipeline
TO vibe_operator;

-- Agents
GRANT EXECUTE ON FUNCTION vibe.set_agent_paused, vibe.agent_heartbeat TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.register_agent, vibe.update_agent, vibe.reset_agent, vibe.delete_agent, vibe.register_skill, vibe.delete_skill,
    vibe.set_agent_skills
TO vibe_admin;

-- Steps
GRANT EXECUTE ON FUNCTION
    vibe.acquire_lock, vibe.release_lock, vibe.renew_lock, vibe.complete_step, vibe.fail_step, vibe.retry_step,
    vibe.approve_step, vibe.request_revision, vibe.cancel_task, vibe.cancel_run, vibe.get_run_input,
    vibe.cancel_branch, vibe.dispatch_agent, vibe.retry_steps
TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.release_lock, vibe.renew_lock, vibe.complete_step, vibe.fail_step, vibe.request_revision, vibe.get_run_input
TO vibe_agent;

-- Providers
GRANT EXECUTE ON FUNCTION vibe.pause_provider, vibe.resume_provider TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.set_provider_limit TO vibe_admin;

-- Money
GRANT EXECUTE ON FUNCTION vibe.set_budget, vibe.approve_budget TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.set_price, vibe.set_daily_budget, vibe.set_run_budget TO vibe_admin;

-- Workers elsewhere
GRANT EXECUTE ON FUNCTION vibe.claim_runs, vibe.complete_steps, vibe.report_usage TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.report_usage TO vibe_agent;

-- Services
GRANT EXECUTE ON FUNCTION
    vibe.register_service, vibe.set_service_active, vibe.reorder_services, vibe.register_service_category,
    vibe.require_service, vibe.set_agent_services
TO vibe_admin;
GRANT EXECUTE ON FUNCTION vibe.set_service_override, vibe.log_service_call TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.resolve_service TO vibe_viewer;
GRANT EXECUTE ON FUNCTION vibe.resolve_service, vibe.log_service_call TO vibe_agent;

-- Notifications
GRANT EXECUTE ON FUNCTION
    vibe.notify, vibe.mark_notifications_read, vibe.register_notification_kind, vibe.set_notification_rule
TO vibe_operator;

-- Looking into runs
GRANT EXECUTE ON FUNCTION vibe.run_log, vibe.explain_run TO vibe_operator;

-- Heartbeats
GRANT EXECUTE ON FUNCTION vibe.request_heartbeat TO vibe_operator;

-- Safety net
GRANT EXECUTE ON FUNCTION vibe.sweep, vibe.drain TO vibe_operator;
