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

-- Reads and the sweep cost the same, however much has ended, waits or is paused.
CREATE OR REPLACE FUNCTION vibe._task_page(project_id bigint, campaign_id bigint, status text, max_rows integer, after_id bigint)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    project bigint := _task_page.project_id;
    campaign bigint := _task_page.campaign_id;
    wanted text := _task_page.status;
    below bigint := coalesce(after_id, 9223372036854775807);
BEGIN
    IF campaign IS NOT NULL AND wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE (t.campaign_id, t.id) < (campaign, below) AND t.campaign_id >= campaign
            ORDER BY t.campaign_id DESC, t.id DESC LIMIT max_rows);
    ELSIF campaign IS NOT NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.campaign_id = campaign AND (t.status, t.id) < (wanted, below) AND t.status >= wanted
            ORDER BY t.status DESC, t.id DESC LIMIT max_rows);
    ELSIF project IS NOT NULL AND wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE (t.project_id, t.id) < (project, below) AND t.project_id >= project
            ORDER BY t.project_id DESC, t.id DESC LIMIT max_rows);
    ELSIF wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id < below ORDER BY t.id DESC LIMIT max_rows);
    END IF;
    RETURN ARRAY(SELECT t.id FROM vibe.projects p
        CROSS JOIN LATERAL (
            SELECT t.id FROM vibe.tasks t
             WHERE t.project_id = p.id AND (t.status, t.id) < (wanted, below) AND t.status >= wanted
             ORDER BY t.status DESC, t.id DESC LIMIT max_rows) t
        WHERE p.id = coalesce(project, p.id)
        ORDER BY t.id DESC LIMIT max_rows);
END
$$;
COMMENT ON FUNCTION vibe._task_page(bigint, bigint, text, integer, bigint) IS 'The ids of one page of tasks, newest first.';

CREATE OR REPLACE FUNCTION vibe.tasks_with_incomplete_deliverables(campaign_id bigint)
    RETURNS TABLE (task_id bigint, title text, status text, deliverable text, branch text, state text, waiting_for text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = tasks_with_incomplete_deliverables.campaign_id) THEN
        PERFORM vibe._campaign_not_found(tasks_with_incomplete_deliverables.campaign_id);
    END IF;
    RETURN QUERY
        SELECT t.id, t.title, t.status, d.deliverable, s.branch, w.state, w.waiting_for
          FROM vibe.tasks t
          JOIN vibe.campaigns c ON c.id = t.campaign_id
         CROSS JOIN LATERAL vibe._wanted_deliverables(coalesce(t.deliverables, c.deliverables), t.pipeline_version_id) d
          LEFT JOIN vibe.pipeline_steps s
            ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> '' AND s.deliverable = d.deliverable
          -- Subqueries with a LIMIT stay index probes, however much work and how many runs others have.
          LEFT JOIN LATERAL (SELECT w.task_id, w.state, w.waiting_for FROM vibe.work w
                              WHERE w.task_id = t.id AND w.branch = s.branch LIMIT 1) w ON true
         WHERE t.campaign_id = tasks_with_incomplete_deliverables.campaign_id AND t.status <> 'cancelled'
           AND w.state IS DISTINCT FROM 'held'
           AND (w.task_id IS NOT NULL OR (
                SELECT r.id FROM vibe.runs r
                 WHERE r.task_id = t.id AND r.branch = s.branch AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL)
         ORDER BY t.id, d.deliverable, s.branch;
END
$$;
COMMENT ON FUNCTION vibe.tasks_with_incomplete_deliverables(bigint) IS 'Deliverables of a campaign''s tasks that are wanted, not done and not running, one row each; state and waiting_for say where its branch stands (NULL: not begun), branch is NULL where the pipeline has none for it. Cancelled tasks are left out. Raises VB002.';

CREATE OR REPLACE FUNCTION vibe.campaign_progress(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, total bigint, done bigint, cancelled bigint, running bigint, ready bigint,
                   waiting bigint, blocked bigint, revisions bigint, steps_done bigint, steps_total bigint,
                   cost_usd numeric, tasks_per_minute numeric, seconds_left numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    elapsed numeric;
    steps_each bigint;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_progress.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_progress.id);
    END IF;
    campaign_id := campaign.id;
    status := campaign.status;
    SELECT count(*), count(*) FILTER (WHERE t.status = 'completed'), count(*) FILTER (WHERE t.status = 'cancelled'),
           count(*) FILTER (WHERE t.status = 'blocked'), coalesce(sum(t.revision_count), 0)
      INTO total, done, cancelled, blocked, revisions
      FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    -- By its open tasks, one probe each: work has no index by campaign alone, which every step would write.
    SELECT coalesce(sum(w.running), 0)::bigint, coalesce(sum(w.ready), 0)::bigint, coalesce(sum(w.waiting), 0)::bigint
      INTO running, ready, waiting
      FROM vibe.tasks t
     CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE w.state = 'held') AS running, count(*) FILTER (WHERE w.state = 'ready') AS ready,
                   count(*) FILTER (WHERE w.state = 'waiting') AS waiting
              FROM vibe.work w WHERE w.task_id = t.id) w
     WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL;
    steps_each := (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    steps_total := (total - cancelled) * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status <> 'cancelled');
    -- Runs of completed tasks may be pruned.
    steps_done := done * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status = 'completed')
        + (SELECT count(*) FROM vibe.tasks t JOIN vibe.runs r ON r.task_id = t.id
            WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL AND r.outcome = 'done' AND NOT r.superseded);
    cost_usd := (SELECT coalesce(sum(u.cost_usd), 0) FROM vibe.usage u WHERE u.campaign_id = campaign.id);
    elapsed := extract(epoch FROM coalesce(campaign.ended_at, vibe.clock()) - campaign.activated_at);
    tasks_per_minute := round(60 * done / nullif(elapsed, 0), 2);
    seconds_left := CASE WHEN campaign.ended_at IS NOT NULL THEN 0
        ELSE round(elapsed * (steps_total - steps_done) / nullif(steps_done, 0), 1) END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state, steps done of all, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';

CREATE OR REPLACE FUNCTION vibe.list_service_calls(
    service text DEFAULT NULL, campaign_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.service_call_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    wanted text := list_service_calls.service;
    campaign bigint := list_service_calls.campaign_id;
    below bigint := coalesce(after_id, 9223372036854775807);
    ids bigint[];
BEGIN
    max_rows := greatest(coalesce(max_rows, 100), 0);
    IF campaign IS NOT NULL THEN
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c
            WHERE (c.campaign_id, c.id) < (campaign, below) AND c.campaign_id >= campaign AND (wanted IS NULL OR c.service_name = wanted)
            ORDER BY c.campaign_id DESC, c.id DESC LIMIT max_rows);
    ELSIF wanted IS NOT NULL THEN
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c
            WHERE (c.service_name, c.id) < (wanted, below) AND c.service_name >= wanted
            ORDER BY c.service_name DESC, c.id DESC LIMIT max_rows);
    ELSE
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c WHERE c.id < below ORDER BY c.id DESC LIMIT max_rows);
    END IF;
    RETURN QUERY
        SELECT c.id, c.at, c.service_name, c.status, c.duration_ms, c.cost_usd, c.error, c.retry_at, c.campaign_id, c.task_id, c.run_id, c.agent_name
          FROM vibe.service_calls c WHERE c.id = ANY (ids) ORDER BY c.id DESC;
END
$$;
COMMENT ON FUNCTION vibe.list_service_calls(text, bigint, integer, bigint) IS 'Calls of services, newest first, of one service or campaign or of all; the next page is after the last id of this one.';

CREATE FUNCTION vibe._has_ready_work(agent_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT w.agent_name = _has_ready_work.agent_name FROM vibe.work w
                      WHERE w.state = 'ready' AND w.agent_name >= _has_ready_work.agent_name
                      ORDER BY w.agent_name, w.priority, w.campaign_id, w.since, w.task_id LIMIT 1), false);
END;
COMMENT ON FUNCTION vibe._has_ready_work(text) IS 'Whether a step is ready for this agent, be its campaign at work or not.';
REVOKE ALL ON FUNCTION vibe._has_ready_work FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._has_ready_work TO vibe_viewer;

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
         WHERE vibe._has_ready_work(a.name) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
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
COMMENT ON FUNCTION vibe._health_runners() IS 'Whether the runner file can be used, and each runner in it; whether an agent may run as the server''s user.';

CREATE OR REPLACE FUNCTION vibe._health_queue(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stalled record;
    stale bigint := (SELECT count(*) FROM vibe.find_stale_locks());
    blocked bigint := (SELECT count(*) FROM (
        SELECT 1 FROM vibe.work w WHERE w.waiting_for IN ('person', 'approval') AND w.waiting_for = 'person' LIMIT 1001) w);
    stray bigint := (SELECT count(*) FROM vibe._live_shims() s
                      WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = s.run_id AND r.ended_at IS NULL));
BEGIN
    SELECT count(*) AS n, min(h.since) AS since, min(h.agent_name) AS agent INTO stalled FROM vibe._stalled_heads(at) h;
    RETURN NEXT ('waiting work', CASE WHEN stalled.n > 0 THEN 'warn' ELSE 'ok' END,
        CASE WHEN stalled.n > 0 THEN format('%s agents began nothing for an hour, such as %s; the first of it waits since %s', stalled.n, stalled.agent, stalled.since)
             ELSE 'no agent lets work wait for an hour' END,
        CASE WHEN stalled.n > 0 THEN 'SELECT * FROM vibe.stuck;' END)::vibe.health_info;
    RETURN NEXT ('stale locks', CASE WHEN stale > 0 THEN 'warn' ELSE 'ok' END, stale::text,
        CASE WHEN stale > 0 THEN 'SELECT * FROM vibe.sweep();' END)::vibe.health_info;
    RETURN NEXT ('blocked work', CASE WHEN blocked > 0 THEN 'warn' ELSE 'ok' END,
        CASE WHEN blocked > 1000 THEN 'more than 1000' ELSE blocked::text END,
        CASE WHEN blocked > 0 THEN 'SELECT * FROM vibe.stuck; names the call that tries each again.' END)::vibe.health_info;
    RETURN NEXT ('stray supervisors', CASE WHEN stray > 0 THEN 'warn' ELSE 'ok' END, stray::text,
        CASE WHEN stray > 0 THEN 'A running dispatcher ends them; without one they end after vibe_orchestrator.orphan_grace.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_queue(timestamptz) IS 'Whether work waits for too long, for a dead holder or for a person, and whether supervisors live whose run has ended.';

CREATE OR REPLACE FUNCTION vibe.health()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
DECLARE
    at timestamptz;
BEGIN
    SELECT c.now INTO at FROM vibe.clock() c(now);
    RETURN QUERY SELECT * FROM vibe._health_dispatcher();
    RETURN QUERY SELECT * FROM vibe._health_versions();
    RETURN QUERY SELECT * FROM vibe._health_runners();
    RETURN QUERY SELECT * FROM vibe._health_queue(at);
    RETURN QUERY SELECT * FROM vibe._health_outside(at);
    RETURN QUERY SELECT * FROM vibe._health_host();
    RETURN QUERY SELECT * FROM vibe._health_sweep(at);
    RETURN QUERY SELECT * FROM vibe._health_retention(at);
    RETURN QUERY SELECT * FROM vibe._health_cron();
END
$$;
COMMENT ON FUNCTION vibe.health() IS 'One row per check: dispatcher, versions, each runner, agents as the server''s user, waiting work, stale locks, blocked work, stray supervisors, providers, outbox, notify queue, init process, restart, sweep, retention, pg_cron. status is ok, warn or fail, next_step what to do. Raises nothing.';

CREATE OR REPLACE FUNCTION vibe._stalled_heads(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, agent_name text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH idle AS MATERIALIZED (
        SELECT a.name FROM vibe.agents a
         WHERE ((SELECT CASE WHEN r.agent_name = a.name THEN r.claimed_at END
                   FROM vibe.runs r WHERE (r.agent_name, r.id) <= (a.name, 9223372036854775807)
                  ORDER BY r.agent_name DESC, r.id DESC LIMIT 1)
                > at - interval '1 hour') IS NOT TRUE
           AND vibe._has_ready_work(a.name)
    ), queue AS (
        SELECT c.id AS campaign_id, s.agent_name
          FROM vibe.campaigns c
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id
         WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision') AND s.agent_name IN (SELECT i.name FROM idle i)
         GROUP BY c.id, s.agent_name
        UNION ALL
        SELECT 0, i.name FROM idle i
    )
    SELECT h.task_id, h.branch, q.agent_name, h.since
      FROM queue q
     CROSS JOIN LATERAL (
            SELECT w.task_id, w.branch, w.since FROM vibe.work w
             WHERE w.state = 'ready' AND w.campaign_id = q.campaign_id AND w.agent_name = q.agent_name
             ORDER BY w.campaign_id, w.agent_name, w.priority, w.since, w.task_id LIMIT 1) h
     WHERE h.since < at - interval '1 hour';
END;
COMMENT ON FUNCTION vibe._stalled_heads(timestamptz) IS 'The first ready step of each agent, in campaigns at work, that waits for more than an hour in which that agent began nothing.';

CREATE OR REPLACE FUNCTION vibe._stuck_steps(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for IN ('person', 'approval') AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.since LIMIT 100)
    UNION ALL
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for = 'back_off' AND w.ready_at > at AND w.since < at - interval '1 hour'
        AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.ready_at DESC LIMIT 100)
    UNION ALL
    (SELECT h.task_id, h.branch, h.since FROM vibe._stalled_heads(at) h ORDER BY h.since LIMIT 100)
    UNION ALL
    (SELECT l.task_id, l.branch, l.renewed_at FROM vibe.find_stale_locks() l LIMIT 100)
    UNION ALL
    -- The work behind it waits for the end of its process; where it waits for a person, that is said above.
    (SELECT r.task_id, r.branch, r.closed_at FROM vibe.runs r
       JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.state = 'ready'
      WHERE r.ended_at IS NULL AND r.closed_at < at - interval '5 minutes' LIMIT 100)
    UNION ALL
    -- Of many open tasks those that the next sweep looks at: it mends them.
    (SELECT o.task_id, '', (SELECT t.updated_at FROM vibe.tasks t WHERE t.id = o.task_id)
       FROM vibe.sweep_state s
      CROSS JOIN LATERAL vibe._next_window(s.looked_up_to) n
      CROSS JOIN LATERAL vibe._orphaned_tasks(s.looked_up_to, n.last_id) o LIMIT 100);
END;
COMMENT ON FUNCTION vibe._stuck_steps(timestamptz) IS 'Steps that need a person or wait suspiciously long, up to 100 of each kind: for a person or an approval; a back-off of more than an hour; stalled queues; locks whose holder is silent; processes that do not end; open tasks without work.';

CREATE OR REPLACE FUNCTION vibe.list_activities(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, agent_name text DEFAULT NULL,
    after_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, before_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.activity_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    newest_first boolean := list_activities.after_id IS NULL;
BEGIN
    PERFORM vibe._check_page(list_activities.max_rows);
    -- Of a task or campaign that is not within the wider scope, there is nothing.
    IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.id = list_activities.task_id
                  AND (t.campaign_id IS DISTINCT FROM coalesce(list_activities.campaign_id, t.campaign_id)
                       OR t.project_id <> list_activities.project_id))
       OR EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_activities.campaign_id AND c.project_id <> list_activities.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT f.id, f.at, f.kind, f.actor, coalesce(f.project_id, t.project_id), nullif(f.campaign_id, 0), f.task_id,
               t.title, f.agent_name, f.run_id, coalesce(f.message, e.message), coalesce(f.detail, e.detail)
          FROM (SELECT p.* FROM vibe._feed_page(list_activities.project_id, list_activities.campaign_id, list_activities.task_id,
                    list_activities.agent_name, coalesce(list_activities.after_id, 0),
                    coalesce(list_activities.before_id, 9223372036854775807), list_activities.max_rows, newest_first) p
                 ORDER BY CASE WHEN newest_first THEN -p.id ELSE p.id END LIMIT list_activities.max_rows) f
          LEFT JOIN vibe.runs r ON r.id = f.run_id
          LEFT JOIN vibe.tasks t ON t.id = f.task_id
          LEFT JOIN LATERAL vibe._run_event(f.kind, r, t) e ON f.run_id IS NOT NULL
         ORDER BY f.id;
END
$$;
COMMENT ON FUNCTION vibe.list_activities(bigint, bigint, bigint, text, bigint, integer, bigint) IS 'The feed: what verbs recorded, and beginnings and ends of runs (kind run_started, run_ended), of a project, a campaign, a task, an agent (its runs), or all, in ascending order of id, which never changes. Without after_id: the newest max_rows (1 to 1000); before_id, the first id of a page, gives the page before it. With after_id, the last id that was seen: the next ones. An id is drawn before its commit, so a reader who must miss nothing asks again from a minute back. Raises VB030.';

CREATE OR REPLACE FUNCTION vibe._missing_branches(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT due.task_id, due.campaign_id, due.branch
      FROM (SELECT t.id AS task_id, t.campaign_id, s.branch, t.deliverables, s.deliverable
              FROM vibe.tasks t
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> ''
             WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
               AND vibe._is_past(t, s.trigger_after_step)
               AND s.branch <> ALL (t.cancelled_branches)
               AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = s.branch LIMIT 1) IS NULL
            -- What follows is asked of the few that are left.
            OFFSET 0) due
      LEFT JOIN vibe.campaigns c ON c.id = due.campaign_id
     WHERE vibe._wants(coalesce(due.deliverables, c.deliverables), due.deliverable)
       AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = due.task_id AND r.branch = due.branch
               AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL
     ORDER BY due.task_id, due.branch;
END;
COMMENT ON FUNCTION vibe._missing_branches(bigint, bigint) IS 'find_missing_branches() for the open tasks whose ids are above the first and up to the second.';

CREATE OR REPLACE FUNCTION vibe._mend_branches(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    main_line vibe.work;
    opened bigint;
    mended bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.ended_at IS NULL AND t.id = ANY (ARRAY(
            (SELECT b.task_id FROM vibe._missing_branches(after, last_id) b LIMIT 1000)
            UNION ALL
            (SELECT w.task_id FROM vibe.work w WHERE w.task_id > after AND w.task_id <= last_id
                AND w.waiting_for = 'branches' AND NOT vibe._has_open_branches(w.task_id) LIMIT 1000)))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- A claim takes a row of work without its task: one that is at it is not waited for.
        SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '');
        opened := vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        IF main_line.waiting_for = 'branches' AND NOT vibe._has_open_branches(task.id) THEN
            PERFORM vibe._move_on(task, main_line.step - 1, NULL, NULL, at);
        ELSIF opened = 0 THEN
            CONTINUE;
        END IF;
        PERFORM vibe._record('orphan_requeued', format('Branches of task "%s" had no work and were looked after.', left(task.title, 200)),
            jsonb_build_object('branches_opened', opened), task.project_id, task.campaign_id, task.id);
        mended := mended + 1;
    END LOOP;
    RETURN mended;
END
$$;
COMMENT ON FUNCTION vibe._mend_branches(bigint, bigint, timestamptz) IS 'Opens missing branches of the open tasks with these ids, and main lines that wait for branches which are not there; returns how many tasks were mended.';

CREATE OR REPLACE FUNCTION vibe._orphaned_tasks(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.campaign_id, t.step, t.status
      FROM vibe.tasks t
     WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
       -- A subquery with a LIMIT stays an index probe, also where the statistics know of no open task.
       AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = '' LIMIT 1) IS NULL
       AND (t.step IS NOT NULL OR NOT vibe._has_open_branches(t.id))
     ORDER BY t.id;
END;
COMMENT ON FUNCTION vibe._orphaned_tasks(bigint, bigint) IS 'find_orphaned_tasks() among the open tasks whose ids are above the first and up to the second.';

CREATE OR REPLACE FUNCTION vibe._free_stale_locks(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
    stale bigint[];
BEGIN
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (ARRAY(SELECT l.task_id FROM vibe.find_stale_locks() l))
        ORDER BY t.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    stale := ARRAY(SELECT l.run_id FROM vibe.find_stale_locks() l WHERE l.task_id = ANY (locked));
    PERFORM vibe._free_work(stale, at);
    PERFORM vibe._close_run(i, 'lost', 'its holder did not renew its lease', at) FROM unnest(stale) i;
    RETURN cardinality(stale);
END
$$;
COMMENT ON FUNCTION vibe._free_stale_locks(timestamptz) IS 'Ends hand-held runs whose lease was not renewed; their steps are ready again.';

CREATE OR REPLACE FUNCTION vibe._requeue_orphans(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
    requeued bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.id = ANY (ARRAY(SELECT o.task_id FROM vibe._orphaned_tasks(after, last_id) o LIMIT 1000))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- Looked at again under the lock: a verb may have just given it work, or ended it.
        CONTINUE WHEN task.ended_at IS NOT NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '')
            OR task.step IS NULL AND vibe._has_open_branches(task.id);
        PERFORM vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        PERFORM vibe._restore_main_line(task, at);
        PERFORM vibe._record('orphan_requeued', format('Task "%s" had no work and was queued again.', left(task.title, 200)),
            jsonb_build_object('step', task.step), task.project_id, task.campaign_id, task.id);
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END
$$;
COMMENT ON FUNCTION vibe._requeue_orphans(bigint, bigint, timestamptz) IS 'Gives open tasks with these ids whose main line has no work their step back, 1000 at most.';

CREATE OR REPLACE FUNCTION vibe._next_window(after bigint, OUT last_id bigint, OUT next bigint)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    size integer := (SELECT least(greatest(c.reltuples / 4, 2500), 5000) FROM pg_class c WHERE c.oid = 'vibe.tasks_open_by_id_idx'::regclass);
BEGIN
    SELECT t.id INTO last_id FROM vibe.tasks t WHERE t.ended_at IS NULL AND t.id > after ORDER BY t.id OFFSET size - 1 LIMIT 1;
    next := coalesce(last_id, 0);
    last_id := coalesce(last_id, 9223372036854775807);
END
$$;
COMMENT ON FUNCTION vibe._next_window(bigint) IS 'Up to which id the open tasks above the given one are looked at now, and above which one the next time.';

CREATE OR REPLACE FUNCTION vibe.sweep()
    RETURNS TABLE (swept boolean, stale_locks_released bigint, dispatched_runs_lost bigint, back_offs_ended bigint,
                   orphans_dispatched bigint, campaigns_completed bigint, branches_dispatched bigint, backlog_requests bigint,
                   notifications_queued bigint, runs_pruned bigint, activities_pruned bigint, notifications_pruned bigint,
                   service_calls_pruned bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    state vibe.sweep_state;
    seen bigint;
    part record;
BEGIN
    SELECT * INTO state FROM vibe.sweep_state s FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint;
        RETURN;
    END IF;
    swept := true;
    seen := (SELECT coalesce(max(n.id), 0) FROM vibe.notifications n);
    state.dispatcher_gone_since := CASE WHEN vibe._dispatcher_pid() IS NULL THEN coalesce(state.dispatcher_gone_since, at) END;
    SELECT w.last_id, w.next INTO part FROM vibe._next_window(state.looked_up_to) w;
    stale_locks_released := vibe._free_stale_locks(at);
    dispatched_runs_lost := vibe._free_dispatched_runs(state.dispatcher_gone_since, at);
    back_offs_ended := vibe._promote_due();
    orphans_dispatched := vibe._requeue_orphans(state.looked_up_to, part.last_id, at);
    branches_dispatched := vibe._mend_branches(state.looked_up_to, part.last_id, at);
    campaigns_completed := vibe._finish_campaigns(at);
    backlog_requests := vibe._ask_for_topics(at);
    runs_pruned := vibe._prune_runs(vibe._setting('run_retention'));
    activities_pruned := vibe._prune_activities(vibe._setting('activity_retention'), at);
    notifications_pruned := vibe._prune_notifications(vibe._setting('notification_retention'), at);
    service_calls_pruned := vibe._prune_service_calls(at);
    notifications_queued := vibe._count_told(seen);
    UPDATE vibe.sweep_state s SET swept_at = at, dispatcher_gone_since = state.dispatcher_gone_since, looked_up_to = part.next;
    PERFORM vibe._note_health(at);
    IF stale_locks_released + dispatched_runs_lost + back_offs_ended + orphans_dispatched + branches_dispatched > 0 THEN
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.sweep() IS 'Puts right what was left behind, in short batches, and counts it: hand-held locks not renewed, runs of a dispatcher that stayed away, back-offs that are over, open tasks without work, tasks with branches that are due and lost (a cancelled branch stays so), finished campaigns not marked; backlog agents asked for topics; notifications that this sweep caused; runs, activities, notifications and service calls older than their retention. Of many open tasks each sweep looks at a quarter for lost work, 5000 at most. swept is false if another sweep was at it. Raises VB022.';

-- What is pruned is not walked through again.
ALTER TABLE vibe.sweep_state ADD COLUMN runs_looked_up_to bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN vibe.sweep_state.runs_looked_up_to IS 'The last old run that was looked at for pruning; the next sweep goes on behind it. 0: it begins anew.';
CREATE OR REPLACE FUNCTION vibe._fold_and_prune_runs(older_than interval, most integer DEFAULT 1000)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    cutoff timestamptz := vibe._begin_verb() - older_than;
    after bigint := (SELECT s.runs_looked_up_to FROM vibe.sweep_state s);
    part bigint[];
    more boolean;
    old bigint[];
    locked bigint[];
    pruned bigint;
BEGIN
    PERFORM vibe._merge_usage(10000);
    -- Whatever was claimed later did not end before.
    SELECT array_agg(f.id ORDER BY f.id) FILTER (WHERE f.claimed_at < cutoff), count(*) = most AND bool_and(f.claimed_at < cutoff)
      INTO part, more
      FROM (SELECT r.id, r.claimed_at FROM vibe.runs r WHERE r.id > after ORDER BY r.id LIMIT most) f;
    old := ARRAY(SELECT r.id FROM unnest(part) p
                  CROSS JOIN LATERAL (SELECT r.id, r.task_id FROM vibe.runs r WHERE r.id = p AND r.ended_at < cutoff LIMIT 1) r
                   LEFT JOIN LATERAL (SELECT t.ended_at FROM vibe.tasks t WHERE t.id = r.task_id LIMIT 1) t ON true
                  WHERE t.ended_at < cutoff OR r.task_id IS NULL);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
                     WHERE t.id = ANY (ARRAY(SELECT DISTINCT r.task_id FROM vibe.runs r WHERE r.id = ANY (old))) AND t.ended_at < cutoff
                     ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    WITH gone AS (
        DELETE FROM vibe.runs r
         WHERE r.task_id = ANY (locked) AND r.ended_at < cutoff
        RETURNING r.task_id, vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at) AS counted_usd
    ), noted AS (
        UPDATE vibe.tasks t SET folded_usd = t.folded_usd + g.counted_usd
          FROM (SELECT g.task_id, sum(g.counted_usd) AS counted_usd FROM gone g GROUP BY g.task_id) g
         WHERE t.id = g.task_id AND g.counted_usd > 0
    ), gone_chores AS (
        DELETE FROM vibe.runs r WHERE r.id = ANY (old) AND r.task_id IS NULL RETURNING r.id
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM gone_chores) INTO pruned;
    after := CASE WHEN more THEN part[cardinality(part)] ELSE 0 END;
    UPDATE vibe.sweep_state s SET runs_looked_up_to = after WHERE s.runs_looked_up_to <> after;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._fold_and_prune_runs(interval, integer) IS 'Adds entries of ended runs to the totals, looks at the next so many runs that are old, and deletes those of tasks that ended longer ago, with all old runs of these tasks, and those of chores; returns how many were deleted. No sum of usage changes.';

CREATE OR REPLACE FUNCTION vibe._prune_activities(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.activities a
     WHERE older_than > interval '0'
       AND a.id = ANY (ARRAY(
            SELECT f.id FROM (SELECT o.id, o.at FROM vibe.activities o ORDER BY o.id LIMIT 10000) f
             WHERE f.at < _prune_activities.at - older_than));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_activities(interval, timestamptz) IS 'Deletes activities that are older, 10000 at most; zero keeps all.';

CREATE OR REPLACE FUNCTION vibe._prune_runs(older_than interval)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN older_than > interval '0' THEN vibe._fold_and_prune_runs(older_than, 2000) ELSE 0 END;
END
$$;
COMMENT ON FUNCTION vibe._prune_runs(interval) IS 'Deletes runs that ended longer ago, of some thousand tasks that did too, and keeps their sums; zero keeps all.';

CREATE OR REPLACE FUNCTION vibe._health_retention(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'retention', CASE WHEN count(*) > 0 THEN 'warn' ELSE 'ok' END,
           coalesce('kept for too long: ' || string_agg(format('%s of %s', k.what, k.oldest::date), ', '), 'nothing is kept for too long'),
           CASE WHEN count(*) > 0 THEN 'SELECT * FROM vibe.sweep(); deletes some thousands of each at a time; again until the counts are 0.' END
      FROM vibe._oldest_kept(at) k
     WHERE k.kept_for > interval '0' AND k.oldest < at - k.kept_for * 1.1 - interval '1 day';
END;
COMMENT ON FUNCTION vibe._health_retention(timestamptz) IS 'Whether something is left that is older than its retention by far.';
