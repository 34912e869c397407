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

-- A page of the queue costs what its rows cost.
CREATE INDEX work_queue_idx ON vibe.work (priority, since, task_id, branch) WHERE state <> 'held';
CREATE OR REPLACE VIEW vibe.queue AS
    SELECT q.task_id, t.title AS task, q.branch, coalesce(t.label, q.kind) AS step, q.agent_name AS agent, t.priority,
           CASE WHEN q.task_id IS NULL THEN CASE WHEN a.paused_at IS NOT NULL THEN 'agent paused' ELSE 'ready' END
                WHEN q.state = 'waiting' THEN q.waiting_for
                WHEN c.status NOT IN ('active', 'in_revision') THEN 'campaign ' || c.status
                ELSE q.state END AS waits_for,
           q.since, q.ready_at AS until, q.rank
      FROM (SELECT w.state <> 'held' AS is_listed, w.priority AS rank, w.since, w.task_id, w.branch, w.campaign_id, w.step,
                   w.agent_name, w.state, w.waiting_for, w.ready_at, NULL::text AS kind
              FROM vibe.work w
            UNION ALL
            SELECT h.run_id IS NULL AND h.agent_name IS NOT NULL, -2::smallint, h.ready_at, NULL::bigint, ''::text, NULL::bigint, NULL::integer,
                   h.agent_name, NULL::text, NULL::text, NULL::timestamptz, h.kind
              FROM vibe.chores h) q
      LEFT JOIN LATERAL (
            SELECT t.title, t.priority, s.label
              FROM vibe.tasks t
              LEFT JOIN vibe.pipeline_steps s
                ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = q.branch AND s.step = q.step
             WHERE t.id = q.task_id LIMIT 1) t ON true
      LEFT JOIN LATERAL (SELECT c.status FROM vibe.campaigns c WHERE c.id = q.campaign_id LIMIT 1) c ON true
      LEFT JOIN LATERAL (
            SELECT a.paused_at FROM vibe.current_agents a WHERE a.name = q.agent_name AND q.task_id IS NULL LIMIT 1) a ON true
     WHERE q.is_listed
     ORDER BY q.rank, q.since, q.task_id, q.branch;
COMMENT ON VIEW vibe.queue IS 'What is ready or waiting, and for what: heartbeats, which have no task, go first, then by rank (-1 put first by dispatch_agent(), 0 urgent to 3 low) and since. The page after a row is WHERE (rank, since, task_id, branch) > (those of that row) LIMIT n.';

-- Settings have one door.
CREATE FUNCTION vibe._setting_text(name text)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT current_setting('vibe_orchestrator.' || name);
END;
COMMENT ON FUNCTION vibe._setting_text(text) IS 'A setting of ours.';
REVOKE ALL ON FUNCTION vibe._setting_text FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._setting_text TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._setting(name text)
    RETURNS interval
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._setting_text(name)::interval;
END;

CREATE OR REPLACE FUNCTION vibe._why_no_slot(item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    live bigint := (SELECT count(*) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
    most integer := vibe._setting_text('max_runs')::integer;
    limits text[] := vibe._limits_of(ARRAY[(item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, provider.name, NULL)::vibe._candidate]);
    full_one text := (SELECT r.name FROM vibe._room(ARRAY(SELECT l FROM unnest(limits) l WHERE l NOT LIKE E'%\\_budget %'), at) r
                       WHERE r.free <= 0 ORDER BY r.name LIMIT 1);
    kind text := split_part(full_one, ' ', 1);
BEGIN
    IF full_one IS NOT NULL THEN
        why := ('slot_of_' || kind, format('As many runs as the %s "%s" may have are going on.', kind, substr(full_one, strpos(full_one, ' ') + 1)), item.since, NULL,
            CASE kind WHEN 'campaign' THEN format('SELECT * FROM vibe.update_campaign(id => %s, changes => ''{"max_parallel": …}'');', item.campaign_id)
                WHEN 'agent' THEN format('SELECT * FROM vibe.register_agent(name => %L, max_parallel => …);', item.agent_name)
                ELSE format('SELECT * FROM vibe.set_provider_limit(name => %L, max_parallel => …);', provider.name) END);
    ELSIF live >= most THEN
        why := ('slot_of_worker', format('%s of %s runs are going on in this database.', live, most), item.since, NULL,
            'ALTER SYSTEM SET vibe_orchestrator.max_runs = …; SELECT pg_reload_conf();');
    END IF;
    RETURN why;
END
$$;

CREATE OR REPLACE FUNCTION vibe._health_runners()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reason text;
BEGIN
    RETURN QUERY
        SELECT 'runner ' || r.name, CASE WHEN r.problem IS NULL AND r.executable THEN 'ok' ELSE 'fail' END,
               coalesce(r.problem, CASE WHEN r.executable THEN r.program ELSE r.program || ' is not an executable file' END),
               CASE WHEN r.problem IS NOT NULL OR NOT r.executable THEN 'Correct the runner file, or install the program.' END
          FROM vibe.runners() r ORDER BY r.name;
    RETURN QUERY
        SELECT 'runner ' || a.runner, 'fail', format('agents that work has been given to name it (%s), but it is not in the runner file', string_agg(DISTINCT a.name, ', ')),
               'Add a block of that name to the runner file, or vibe.register_agent(name => …, runner => …).'
          FROM vibe.current_agents a
         WHERE a.name IN (SELECT w.agent_name FROM vibe.work w) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
         GROUP BY a.runner ORDER BY a.runner;
    IF vibe._setting_text('allow_same_user')::boolean AND EXISTS (SELECT 1 FROM vibe.runners() r WHERE r.prefix IS NULL) THEN
        RETURN NEXT ('same user', 'warn', 'agents without a prefix run as the server''s user and could do all that it can',
            'Give the runners a prefix (sudo -n -u USER --) and set vibe_orchestrator.allow_same_user = off.')::vibe.health_info;
    ELSE
        RETURN NEXT ('same user', 'ok', 'no agent runs as the server''s user', NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
    RETURN NEXT ('runner file', 'fail', reason, 'Correct the file named by vibe_orchestrator.runner_config; SELECT pg_reload_conf();')::vibe.health_info;
WHEN SQLSTATE 'VB050' THEN
    RETURN;
END
$$;
