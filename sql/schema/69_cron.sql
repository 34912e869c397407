-- pg_cron as a second one who sweeps, and as the clock of heartbeats. It lives in one database of the server and is
-- no requirement of ours, so its functions are named in statements that are run where it is there, and handed to the
-- caller elsewhere.
--
-- Each job guards itself: it outlives DROP EXTENSION, and what it is about, without an error a minute.

CREATE FUNCTION vibe._cron_command()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $command$DO $$BEGIN IF to_regprocedure('vibe.sweep()') IS NOT NULL THEN PERFORM vibe.sweep(); END IF; END$$$command$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe._cron_command() IS 'The sweep as a pg_cron job.';

CREATE FUNCTION vibe._cron_heartbeat_command(agent_name text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT pg_catalog.format($command$DO $$BEGIN IF to_regprocedure('vibe.request_heartbeat(text,text)') IS NOT NULL THEN PERFORM vibe.request_heartbeat(a.name) FROM vibe.current_agents a WHERE a.name = %L AND a.heartbeat_schedule IS NOT NULL; END IF; END$$$command$, agent_name);
END;
COMMENT ON FUNCTION vibe._cron_heartbeat_command(text) IS 'The heartbeat of an agent as a pg_cron job; it does nothing for an agent that has no schedule any more.';

CREATE FUNCTION vibe._cron_job_name()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'vibe_sweep_' || current_database();
END;
COMMENT ON FUNCTION vibe._cron_job_name() IS 'Name of this database''s pg_cron job that sweeps.';

CREATE FUNCTION vibe._cron_is_ours()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT format('(j.jobname IN (%L, %L) OR j.database = %L AND starts_with(j.jobname, %L))', vibe._cron_job_name(),
                  'vibe_history_' || current_database(), current_database(), 'vibe_heartbeat_' || current_database() || '_');
END;
COMMENT ON FUNCTION vibe._cron_is_ours() IS 'The condition that a row j of cron.job is a job of this database''s extension.';

-- Deleted are also runs of jobs that were taken away meanwhile.
CREATE FUNCTION vibe._cron_history_command()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT format('DELETE FROM cron.job_run_details d WHERE coalesce(d.end_time, d.start_time) < now() - interval ''7 days'' AND '
                  '(d.jobid IN (SELECT j.jobid FROM cron.job j WHERE %s) OR d.database = %L AND starts_with(d.command, %L))',
                  vibe._cron_is_ours(), current_database(), $command$DO $$BEGIN IF to_regprocedure('vibe.$command$);
END;
COMMENT ON FUNCTION vibe._cron_history_command() IS 'Deletes what pg_cron has noted about runs of our jobs a week ago and earlier; to be run in pg_cron''s database.';

CREATE FUNCTION vibe._cron_jobs(schedule text)
    RETURNS TABLE (job_name text, schedule text, command text, in_cron_database boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._cron_job_name(), _cron_jobs.schedule, vibe._cron_command(), false
    UNION ALL
    SELECT 'vibe_history_' || current_database(), '41 3 * * *', vibe._cron_history_command(), true
    UNION ALL
    (SELECT format('vibe_heartbeat_%s_%s', current_database(), a.name), a.heartbeat_schedule, vibe._cron_heartbeat_command(a.name), false
       FROM vibe.current_agents a WHERE a.heartbeat_schedule IS NOT NULL ORDER BY a.name);
END;
COMMENT ON FUNCTION vibe._cron_jobs(text) IS 'The jobs that pg_cron should have: the sweep, on this schedule; the deletion of their history; a heartbeat for each agent that has a schedule.';

CREATE FUNCTION vibe.enable_cron(schedule text DEFAULT '*/10 * * * *')
    RETURNS TABLE (scheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here boolean := to_regprocedure('cron.schedule(text,text,text)') IS NOT NULL;
    job record;
    names text[] := '{}';
BEGIN
    IF btrim(coalesce(enable_cron.schedule, '')) = '' THEN
        PERFORM vibe._invalid_argument('schedule', enable_cron.schedule, 'Use five cron fields, such as */10 * * * *.');
    END IF;
    scheduled := here;
    FOR job IN SELECT * FROM vibe._cron_jobs(enable_cron.schedule) LOOP
        job_name := job.job_name;
        statement := CASE WHEN here OR job.in_cron_database
            THEN format('SELECT cron.schedule(%L, %L, %L);', job.job_name, job.schedule, job.command)
            ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', job.job_name, job.schedule, job.command, current_database()) END;
        IF here THEN
            EXECUTE statement;
        END IF;
        names := names || job.job_name;
        RETURN NEXT;
    END LOOP;
    job_name := NULL;
    statement := format('SELECT cron.unschedule(j.jobid) FROM cron.job j WHERE %s AND j.jobname <> ALL (%L::text[]);', vibe._cron_is_ours(), names);
    IF here THEN
        EXECUTE statement;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.enable_cron(text) IS 'Schedules with pg_cron the sweep, the heartbeat of each agent that has a schedule, and the deletion of what pg_cron notes about these jobs; the last row, without a job_name, takes the jobs of agents away that have no schedule any more. In pg_cron''s own database it does so (scheduled = true); elsewhere each statement is to be run there. To be called again when schedules have changed. Raises VB030, and pg_cron''s error for a schedule that it cannot read.';

CREATE FUNCTION vibe.disable_cron()
    RETURNS TABLE (unscheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    names text[];
BEGIN
    statement := format('SELECT cron.unschedule(j.jobid) FROM cron.job j WHERE %s;', vibe._cron_is_ours());
    IF to_regprocedure('cron.schedule(text,text,text)') IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(j.jobname::text ORDER BY j.jobname::text) FROM cron.job j WHERE %s', vibe._cron_is_ours()) INTO names;
        EXECUTE statement;
    END IF;
    unscheduled := names IS NOT NULL;
    FOREACH job_name IN ARRAY coalesce(names, ARRAY[vibe._cron_job_name()]) LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe.disable_cron() IS 'Takes every job of this database out of pg_cron: the sweep, the heartbeats, the deletion of their history. In pg_cron''s own database it does so, with a row for each, or one where unscheduled is false; elsewhere statement is what to run there.';
