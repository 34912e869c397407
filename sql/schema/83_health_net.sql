-- The checks of what carries the server and of the safety net itself. What the host says is read in C; what it means
-- is decided here, by functions that a test can ask about any host.

CREATE FUNCTION vibe._service_unit(cgroup text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT m.part[1]
      FROM pg_catalog.regexp_matches(cgroup, '/([^/[:space:]]+[.]service)(?=/|[[:space:]]|$)', 'g') WITH ORDINALITY m(part, nth)
     ORDER BY m.nth DESC LIMIT 1;
END;
COMMENT ON FUNCTION vibe._service_unit(text) IS 'The innermost systemd service of a control group such as 0::/system.slice/postgresql@15-main.service; NULL where there is none.';

-- An empty value takes back what was set before.
CREATE FUNCTION vibe._kill_mode(modes text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(nullif(pg_catalog.substring(modes, '([^[:cntrl:]]*)[[:cntrl:]]?$'), ''), 'control-group');
END;
COMMENT ON FUNCTION vibe._kill_mode(text) IS 'Which of the values of vibe._kill_modes() counts.';

CREATE FUNCTION vibe._judge_host(postmaster_pid integer, service_unit text, kill_mode text)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'init process', CASE WHEN postmaster_pid = 1 THEN 'fail' ELSE 'ok' END, format('the server is pid %s', postmaster_pid),
           CASE WHEN postmaster_pid = 1 THEN 'Run the container with --init: as pid 1 the server takes the end of any orphan for a crash.' END
    UNION ALL
    SELECT 'restart', CASE WHEN service_unit IS NULL OR kill_mode IN ('process', 'none') THEN 'ok' ELSE 'warn' END,
           CASE WHEN service_unit IS NULL THEN 'no service manager ends agents with the server'
                WHEN kill_mode IN ('process', 'none') THEN format('%s leaves agents alone (KillMode=%s)', service_unit, kill_mode)
                ELSE format('stopping %s ends every agent, too (KillMode=%s)', service_unit, kill_mode) END,
           CASE WHEN service_unit IS NOT NULL AND kill_mode NOT IN ('process', 'none')
                THEN format('systemctl edit %s: [Service] KillMode=process (README, Restart); or let everything finish before a restart.', service_unit) END;
END;
COMMENT ON FUNCTION vibe._judge_host(integer, text, text) IS 'What a host means for agents: whether the server is pid 1, and whether stopping its service ends the agents, too.';

CREATE FUNCTION vibe._health_host()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT j.*
      FROM vibe._host_facts() f
     CROSS JOIN LATERAL (SELECT vibe._service_unit(f.cgroup) AS unit) s
     CROSS JOIN LATERAL vibe._judge_host(f.postmaster_pid, s.unit, vibe._kill_mode(vibe._kill_modes(s.unit))) j;
END;
COMMENT ON FUNCTION vibe._health_host() IS 'Whether the server is pid 1, and whether stopping it ends the agents, too.';

CREATE FUNCTION vibe._health_sweep(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'sweep', CASE WHEN late THEN 'warn' ELSE 'ok' END, coalesce('last at ' || s.swept_at, 'has not run yet'),
           CASE WHEN late THEN 'SELECT * FROM vibe.sweep(); the dispatcher''s timer and pg_cron (vibe.enable_cron()) call it.' END
      FROM vibe.sweep_state s
     CROSS JOIN LATERAL (SELECT (s.swept_at > at - greatest(interval '30 minutes', 3 * vibe._setting('sweep_interval'))) IS NOT TRUE AS late) l;
END;
COMMENT ON FUNCTION vibe._health_sweep(timestamptz) IS 'Whether anybody sweeps.';

CREATE FUNCTION vibe._oldest_kept(at timestamptz)
    RETURNS TABLE (what text, oldest timestamptz, kept_for interval)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'activities', (SELECT a.at FROM vibe.activities a ORDER BY a.id LIMIT 1), vibe._setting('activity_retention')
    UNION ALL
    SELECT 'notifications', (SELECT n.at FROM vibe.notifications n ORDER BY n.at LIMIT 1), vibe._setting('notification_retention')
    UNION ALL
    SELECT 'service calls', (SELECT c.at FROM vibe.service_calls c ORDER BY c.at LIMIT 1), (vibe._outside_limits()).service_calls_kept_for
    UNION ALL
    SELECT 'health history', (SELECT h.at FROM vibe.health_history h ORDER BY h.at LIMIT 1), interval '30 days'
    UNION ALL
    -- Runs are kept until their task has ended, too: a look at the first ones is enough to see whether any go.
    SELECT 'runs', (SELECT min(greatest(r.ended_at, t.ended_at))
                      FROM (SELECT f.ended_at, f.task_id FROM vibe.runs f WHERE vibe._setting('run_retention') > interval '0' ORDER BY f.id LIMIT 100) r
                      JOIN vibe.tasks t ON t.id = r.task_id
                     WHERE t.ended_at IS NOT NULL), vibe._setting('run_retention');
END;
COMMENT ON FUNCTION vibe._oldest_kept(timestamptz) IS 'The oldest of everything that has a retention, and that retention; zero keeps all.';

-- What one sweep deletes is limited, so that a shorter retention, or a server that was off, takes some sweeps.
CREATE FUNCTION vibe._health_retention(at timestamptz)
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

-- pg_cron's tables may be missing, in another database, or closed to the caller, as its settings may be. Of what it noted only the newest is
-- looked at: nobody has to prune the runs of others.
CREATE FUNCTION vibe._health_cron()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    missing text;
    database_name text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
    runnable boolean := EXISTS (SELECT 1 FROM pg_settings s WHERE s.name = 'cron.use_background_workers' AND s.setting = 'on' OR s.name = 'cron.host' AND s.setting ~ '^/');
    visible boolean := EXISTS (SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'job_run_details'
                                WHERE n.nspname = 'cron' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'));
BEGIN
    IF NOT visible THEN
        RETURN NEXT ('pg_cron', CASE WHEN database_name IS NULL THEN 'ok' ELSE 'warn' END,
            coalesce('cannot be seen from here, its database is ' || database_name, 'is not there, or cannot be seen by this role; the dispatcher sweeps'),
            CASE WHEN database_name IS NOT NULL THEN 'SELECT statement FROM vibe.enable_cron(); gives what is to be run there: a net for when no dispatcher runs.' END)::vibe.health_info;
        RETURN;
    END IF;
    EXECUTE 'SELECT j.active, d.status, d.return_message, d.end_time FROM cron.job j
        LEFT JOIN LATERAL (SELECT n.* FROM (SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 1000) n
                            WHERE n.jobid = j.jobid AND n.end_time IS NOT NULL ORDER BY n.runid DESC LIMIT 1) d ON true
        WHERE j.jobname = $1' INTO job USING vibe._cron_job_name();
    EXECUTE 'SELECT string_agg(w.job_name, $2) FROM vibe._cron_jobs($1) w
              WHERE NOT EXISTS (SELECT FROM cron.job j WHERE j.jobname = w.job_name AND (j.schedule = w.schedule OR w.schedule = $1))'
        INTO missing USING '', ', ';
    RETURN NEXT (CASE
        WHEN job.active IS NOT TRUE THEN ('pg_cron', 'warn', 'the sweep is not scheduled', 'SELECT * FROM vibe.enable_cron();')::vibe.health_info
        WHEN job.status = 'failed' THEN ('pg_cron', 'fail', 'the last sweep failed: ' || left(coalesce(job.return_message, ''), 300),
            'Set cron.use_background_workers = on, or let its user in by pg_hba.conf; then restart the server.')::vibe.health_info
        WHEN job.status IS NULL AND NOT runnable AND database_name IS NOT NULL THEN ('pg_cron', 'warn', 'scheduled, has not run yet, and needs to log in over TCP',
            'Set cron.use_background_workers = on in the configuration file and restart the server.')::vibe.health_info
        WHEN missing IS NOT NULL THEN ('pg_cron', 'warn', 'not scheduled as it should be: ' || left(missing, 300), 'SELECT * FROM vibe.enable_cron();')::vibe.health_info
        ELSE ('pg_cron', 'ok', coalesce(format('last sweep %s at %s', job.status, job.end_time), 'scheduled'), NULL)::vibe.health_info END);
END
$$;
COMMENT ON FUNCTION vibe._health_cron() IS 'Whether pg_cron has the sweep and the heartbeats, and whether it could run them.';
