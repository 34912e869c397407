-- Is everything there that carries the work, and is anything piling up? One row per check, cheap enough to be
-- asked every few seconds; whatever cannot be looked at is said, never raised.

CREATE TYPE vibe.health_info AS (check_name text, status text, value text, next_step text);
COMMENT ON TYPE vibe.health_info IS 'One check: status ok, warn or fail, what was found, and what to do about it (NULL where all is well).';

CREATE FUNCTION vibe._health_dispatcher()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here record;
BEGIN
    SELECT s.* INTO here FROM vibe.dispatcher_status() s WHERE s.database = current_database();
    IF NOT FOUND THEN
        RETURN NEXT ('dispatcher', 'fail', 'none serves this database',
            format('Add %s to vibe_orchestrator.databases; SELECT pg_reload_conf();', current_database()))::vibe.health_info;
    ELSIF here.state = 'foreign' THEN
        RETURN NEXT ('dispatcher', 'fail', 'this is a copy, its home is elsewhere', 'SELECT * FROM vibe.take_over(); once the former home starts nothing any more.')::vibe.health_info;
    ELSIF here.state <> 'running' OR here.problem IS NOT NULL THEN
        RETURN NEXT ('dispatcher', CASE here.state WHEN 'starting' THEN 'warn' ELSE 'fail' END,
            here.state || coalesce(': ' || here.problem, ''), 'SELECT * FROM vibe.dispatcher_status();')::vibe.health_info;
    ELSE
        RETURN NEXT ('dispatcher', 'ok', format('pid %s, watches %s runs', here.pid, here.running), NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB050' THEN
    RETURN NEXT ('dispatcher', 'fail', 'the library is not preloaded',
        'Set shared_preload_libraries = ''vibe_orchestrator'' in the configuration file and restart the server.')::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_dispatcher() IS 'Whether a dispatcher works for this database.';

CREATE FUNCTION vibe._health_versions()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'versions', CASE WHEN v.library = v.extension THEN 'ok' ELSE 'fail' END, format('library %s, extension %s', v.library, v.extension),
           CASE WHEN v.library <> v.extension THEN 'Restart the server, then ALTER EXTENSION vibe_orchestrator UPDATE;' END
      FROM vibe.version() v;
END;
COMMENT ON FUNCTION vibe._health_versions() IS 'Whether library and extension are of one version.';

CREATE FUNCTION vibe._health_runners()
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

CREATE FUNCTION vibe._health_queue(at timestamptz)
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

CREATE FUNCTION vibe._health_batches(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'tasks to create', CASE WHEN b.late > 0 THEN 'warn' ELSE 'ok' END,
           format('%s of %s campaigns', coalesce(b.tasks, 0), b.campaigns),
           CASE WHEN b.late > 0 THEN format('SELECT * FROM vibe.activate_campaign(%s); or vibe.sweep() adds the next batch.', b.first_late) END
      FROM (SELECT sum(c.tasks_to_create) AS tasks, count(*) AS campaigns, count(*) FILTER (WHERE l.late) AS late,
                   min(c.id) FILTER (WHERE l.late) AS first_late
              FROM vibe.campaigns c
             CROSS JOIN LATERAL (SELECT c.status <> 'paused' AND c.updated_at < at - greatest(interval '30 minutes', 3 * vibe._setting('sweep_interval')) AS late) l
             WHERE c.tasks_to_create IS NOT NULL) b;
END;
COMMENT ON FUNCTION vibe._health_batches(timestamptz) IS 'How many tasks campaigns that were activated in batches still have to create, and whether nobody adds them.';

CREATE FUNCTION vibe._health_outside(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    paused text := (SELECT string_agg(format('%s until %s', p.name, p.paused_until), ', ' ORDER BY p.name) FROM vibe.providers p WHERE p.paused_until > at);
    overdue bigint := (SELECT count(*) FROM (SELECT 1 FROM vibe.deliveries d
        WHERE d.state = 'pending' AND d.next_attempt_at < at - interval '10 minutes' LIMIT 1000) d);
    notify_usage double precision := pg_notification_queue_usage();
BEGIN
    RETURN NEXT ('providers', CASE WHEN paused IS NULL THEN 'ok' ELSE 'warn' END, coalesce('paused: ' || paused, 'none is paused'),
        CASE WHEN paused IS NOT NULL THEN 'SELECT * FROM vibe.list_providers(); vibe.resume_provider(name) ends a pause.' END)::vibe.health_info;
    RETURN NEXT ('outbox', CASE WHEN overdue > 0 THEN 'warn' ELSE 'ok' END, format('%s deliveries overdue', overdue),
        CASE WHEN overdue > 0 THEN 'SELECT * FROM vibe.deliveries WHERE state = ''pending''; its notifier stands in the runner file?' END)::vibe.health_info;
    RETURN NEXT ('notify queue', CASE WHEN notify_usage > 0.5 THEN 'fail' WHEN notify_usage > 0.1 THEN 'warn' ELSE 'ok' END,
        round((100 * notify_usage)::numeric, 1) || ' % used',
        CASE WHEN notify_usage > 0.1 THEN 'A session that listens sits in a long transaction: look at pg_stat_activity.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_outside(timestamptz) IS 'Whether a provider is paused, messages are overdue, or the server''s NOTIFY queue fills up.';
