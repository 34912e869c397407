\echo Use "ALTER EXTENSION vibe_orchestrator UPDATE" to load this file. \quit

-- A notification that a ceiling was reached says the call that raises it.
CREATE OR REPLACE FUNCTION vibe._next_call(notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN notification.kind = 'approval_needed' AND notification.task_id IS NULL THEN
            'SELECT * FROM vibe.queue WHERE waits_for = ''approval'';'
        WHEN notification.kind = 'approval_needed' THEN
            format('SELECT * FROM vibe.approve_step(task_id => %s%s%s);', notification.task_id, ', run_id => ' || notification.run_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'provider_paused' AND notification.detail ->> 'until' = 'infinity' THEN
            format('SELECT * FROM vibe.resume_provider(%L);', notification.detail ->> 'provider')
        WHEN notification.kind = 'budget_reached' AND notification.campaign_id IS NOT NULL AND notification.task_id IS NULL THEN
            format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', notification.campaign_id)
        WHEN notification.kind = 'budget_reached' AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', notification.task_id)
        WHEN notification.kind IN ('task_blocked', 'agent_crashed') AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.why(task_id => %s%s);', notification.task_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'backlog_low' AND notification.campaign_id IS NOT NULL THEN
            format('SELECT * FROM vibe.generate_tasks(campaign_id => %s, how_many => …);', notification.campaign_id)
    END;
END;
