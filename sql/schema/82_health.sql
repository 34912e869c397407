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
         WHERE EXISTS (SELECT 1 FROM vibe.work w WHERE w.agent_name = a.name) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
         GROUP BY a.runner ORDER BY a.runner;
    IF current_setting('vibe_orchestrator.allow_same_user')::boolean AND EXISTS (SELECT 1 FROM vibe.runners() r WHERE r.prefix IS NULL) THEN
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
    oldest timestamptz;
    stale bigint := (SELECT count(*) FROM vibe.find_stale_locks());
    blocked bigint := (SELECT count(*) FROM vibe.work w WHERE w.waiting_for = 'person');
    stray bigint := (SELECT count(*) FROM vibe._live_shims() s
                      WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = s.run_id AND r.ended_at IS NULL));
BEGIN
    SELECT min(head.since) INTO oldest
      FROM vibe.campaigns c
     CROSS JOIN LATERAL (SELECT min(w.since) AS since FROM (
            SELECT w.since FROM vibe.work w WHERE w.state = 'ready' AND w.campaign_id = c.id ORDER BY w.campaign_id, w.agent_name, w.priority, w.since LIMIT 1) w) head
     WHERE c.status IN ('active', 'in_revision');
    RETURN NEXT ('oldest waiting work', CASE WHEN oldest < at - interval '1 hour' THEN 'warn' ELSE 'ok' END,
        coalesce('since ' || oldest, 'none'), CASE WHEN oldest < at - interval '1 hour' THEN 'SELECT * FROM vibe.queue LIMIT 20; vibe.why(task_id) says what it waits for.' END)::vibe.health_info;
    RETURN NEXT ('stale locks', CASE WHEN stale > 0 THEN 'warn' ELSE 'ok' END, stale::text,
        CASE WHEN stale > 0 THEN 'SELECT * FROM vibe.sweep();' END)::vibe.health_info;
    RETURN NEXT ('blocked work', CASE WHEN blocked > 0 THEN 'warn' ELSE 'ok' END, blocked::text,
        CASE WHEN blocked > 0 THEN 'SELECT * FROM vibe.stuck; vibe.retry_step(task_id) tries one again.' END)::vibe.health_info;
    RETURN NEXT ('stray supervisors', CASE WHEN stray > 0 THEN 'warn' ELSE 'ok' END, stray::text,
        CASE WHEN stray > 0 THEN 'A running dispatcher ends them; without one they end after vibe_orchestrator.orphan_grace.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_queue(timestamptz) IS 'Whether work waits for too long, for a dead holder or for a person, and whether supervisors live whose run has ended.';

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

CREATE FUNCTION vibe._health_host()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    host record;
BEGIN
    SELECT * INTO host FROM vibe._host_facts();
    RETURN NEXT ('init process', CASE WHEN host.postmaster_pid = 1 THEN 'fail' ELSE 'ok' END, format('the server is pid %s', host.postmaster_pid),
        CASE WHEN host.postmaster_pid = 1 THEN 'Run the container with --init: as pid 1 the server takes the end of any orphan for a crash.' END)::vibe.health_info;
    RETURN NEXT ('restart', CASE WHEN host.service_unit IS NULL OR host.kill_mode IN ('process', 'none') THEN 'ok' ELSE 'warn' END,
        CASE WHEN host.service_unit IS NULL THEN 'no service manager ends agents with the server'
             WHEN host.kill_mode IN ('process', 'none') THEN format('%s leaves agents alone (KillMode=%s)', host.service_unit, host.kill_mode)
             ELSE format('stopping %s ends every agent, too', host.service_unit) END,
        CASE WHEN NOT (host.service_unit IS NULL OR host.kill_mode IN ('process', 'none'))
             THEN 'Install the KillMode=process drop-in of README, or drain before a restart.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_host() IS 'Whether the server is pid 1, and whether stopping it ends the agents, too.';

-- pg_cron's tables may be missing, in another database, or closed to the caller.
CREATE FUNCTION vibe._health_cron()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    runnable boolean := coalesce(current_setting('cron.use_background_workers', true)::boolean, false) OR current_setting('cron.host', true) ~ '^/';
BEGIN
    IF to_regclass('cron.job') IS NULL OR NOT has_schema_privilege('cron', 'USAGE') OR NOT has_table_privilege('cron.job_run_details', 'SELECT') THEN
        RETURN NEXT ('pg_cron', 'warn', format('cannot be seen from here (its database is %s)', coalesce(current_setting('cron.database_name', true), 'not set')),
            'The dispatcher sweeps, too; for a net without it run what vibe.enable_cron() returns in that database.')::vibe.health_info;
        RETURN;
    END IF;
    EXECUTE 'SELECT j.active, d.status, d.return_message, d.end_time FROM cron.job j
        LEFT JOIN LATERAL (SELECT * FROM cron.job_run_details d WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) d ON true
        WHERE j.jobname = $1' INTO job USING vibe._cron_job_name();
    RETURN NEXT (CASE
        WHEN job.active IS NOT TRUE THEN ('pg_cron', 'warn', 'the sweep is not scheduled', 'SELECT * FROM vibe.enable_cron();')::vibe.health_info
        WHEN job.status = 'failed' THEN ('pg_cron', 'fail', 'the last sweep failed: ' || left(coalesce(job.return_message, ''), 300),
            'Set cron.use_background_workers = on, or let its user in by pg_hba.conf; then restart the server.')::vibe.health_info
        WHEN job.status IS NULL AND NOT runnable THEN ('pg_cron', 'warn', 'scheduled, has not run yet, and needs to log in over TCP',
            'Set cron.use_background_workers = on in the configuration file and restart the server.')::vibe.health_info
        ELSE ('pg_cron', 'ok', coalesce(format('last sweep %s at %s', job.status, job.end_time), 'scheduled'), NULL)::vibe.health_info END);
END
$$;
COMMENT ON FUNCTION vibe._health_cron() IS 'Whether pg_cron has the sweep, and whether it could run it.';

CREATE FUNCTION vibe.health()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
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
    RETURN QUERY SELECT * FROM vibe._health_cron();
END
$$;
COMMENT ON FUNCTION vibe.health() IS 'One row per check: dispatcher, versions, each runner, agents as the server''s user, oldest waiting work, stale locks, blocked work, stray supervisors, providers, outbox, notify queue, init process, restart, pg_cron. status is ok, warn or fail, next_step what to do. Raises nothing.';
