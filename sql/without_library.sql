-- What takes the place of the C library where a server cannot load one: scripts/make-sql-only puts each function here
-- in the place of the one of the same name in sql/schema, every C function among them, so that the rest of the schema
-- is one source. What stands above the first function comes before all others, what stands below the last one at the
-- end. @VERSION@ is the version of the control file.
--
-- Nothing here may trust a setting of the session: without the library any role can SET what it likes under our
-- prefix. Settings are rows that only the owner of the schema can change.

CREATE TABLE vibe.settings (
    name text PRIMARY KEY,
    value text NOT NULL,
    CONSTRAINT value_fits_its_setting CHECK (
        CASE name WHEN 'notify' THEN value IN ('commit', 'off')
                  WHEN 'max_runs' THEN value::integer BETWEEN 1 AND 2000
                  ELSE value::interval >= interval '0' END)
);
COMMENT ON TABLE vibe.settings IS 'The settings, as README lists them: without the library they are rows, for the owner of the schema to UPDATE.';
COMMENT ON COLUMN vibe.settings.name IS 'The setting, without its prefix.';
COMMENT ON COLUMN vibe.settings.value IS 'Its value, as it would stand in the configuration file.';
INSERT INTO vibe.settings (name, value) VALUES
    ('notify', 'commit'), ('max_runs', '8'), ('orphan_grace', '2min'), ('sweep_interval', '1min'),
    ('lease_duration', '5min'), ('lock_steal_after', '10min'), ('stale_lock_after', '30min'),
    ('retry_base', '10s'), ('retry_max', '6min'), ('backlog_interval', '1d'),
    ('run_retention', '0'), ('activity_retention', '90d'), ('notification_retention', '90d');

-- The claim counts under a lock of each limit. A key that any role could lock, as an advisory lock, would let any role
-- keep all others from claiming; these rows only the owner's functions reach.
CREATE TABLE vibe.limit_locks (key integer PRIMARY KEY);
COMMENT ON TABLE vibe.limit_locks IS 'Rows that the claim locks while it counts what a limit leaves; two limits of one key wait for one another.';
COMMENT ON COLUMN vibe.limit_locks.key IS 'What the name of a limit is hashed to.';
INSERT INTO vibe.limit_locks (key) SELECT generate_series(0, 255);

CREATE FUNCTION vibe._needs_library(what text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB050',
        MESSAGE = format('%s needs the library', what),
        DETAIL = 'This database was set up by the plain script, on a server that loads no library of ours.',
        HINT = 'Workers elsewhere call vibe.claim_runs() and vibe.complete_steps(). For the rest use a server with the extension.';
END
$$;
COMMENT ON FUNCTION vibe._needs_library(text) IS 'Raises VB050 for what only the C library can do.';

CREATE FUNCTION vibe._may(role_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT pg_has_role(vibe._actor()::name, role_name::name, 'USAGE')
        OR pg_has_role(vibe._actor()::name, (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'vibe'), 'USAGE');
END;
COMMENT ON FUNCTION vibe._may(text) IS 'Whether the caller has the rights of a role, such as vibe_operator; the owner of the schema and a superuser have all.';

CREATE FUNCTION vibe._setting_text(name text)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.value FROM vibe.settings s WHERE s.name = _setting_text.name;
END;

CREATE FUNCTION vibe.clock()
    RETURNS timestamptz
    LANGUAGE sql
    VOLATILE PARALLEL SAFE
BEGIN ATOMIC
    SELECT clock_timestamp();
END;
COMMENT ON FUNCTION vibe.clock() IS 'The time that every verb works with.';

CREATE FUNCTION vibe._wake(completed boolean)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF completed AND vibe._setting_text('notify') = 'commit' THEN
        PERFORM pg_notify('vibe_dispatch', '');
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION vibe._wake(boolean) IS 'With completed, NOTIFY vibe_dispatch where the setting notify is commit. Always false: there is no dispatcher.';

CREATE FUNCTION vibe._home_identity()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT concat_ws('/', s.system_identifier, d.oid, 'sql-only')
      FROM pg_control_system() s, pg_database d WHERE d.datname = current_database();
END;
COMMENT ON FUNCTION vibe._home_identity() IS 'System identifier and database oid: what a copy of this database does not share, unless it is a copy of the whole server.';

CREATE FUNCTION vibe._library_version()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT NULL::text;
END;
COMMENT ON FUNCTION vibe._library_version() IS 'NULL: no library is loaded.';

CREATE FUNCTION vibe.version()
    RETURNS TABLE (library text, extension text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._library_version(), '@VERSION@'::text;
END;
COMMENT ON FUNCTION vibe.version() IS 'The version of the SQL objects; library is NULL, as none is loaded.';

CREATE FUNCTION vibe._dispatcher_pid()
    RETURNS integer
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT NULL::integer;
END;
COMMENT ON FUNCTION vibe._dispatcher_pid() IS 'NULL: there is no dispatcher.';

CREATE FUNCTION vibe.dispatcher_status()
    RETURNS TABLE (database text, pid integer, state text, problem text, running integer, wakeups bigint, started_at timestamptz)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._needs_library('a dispatcher');
END
$$;
COMMENT ON FUNCTION vibe.dispatcher_status() IS 'Raises VB050: there is no dispatcher.';

CREATE FUNCTION vibe.runners()
    RETURNS TABLE (name text, kind text, program text, executable boolean, prefix text, max_parallel integer,
                   provider text, fallback text, problem text, found boolean, os_user text, fallback_model text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._needs_library('a runner file');
END
$$;
COMMENT ON FUNCTION vibe.runners() IS 'Raises VB050: there is no runner file.';

CREATE FUNCTION vibe._host_facts()
    RETURNS TABLE (postmaster_pid integer, cgroup text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT NULL::integer, NULL::text WHERE false;
END;
COMMENT ON FUNCTION vibe._host_facts() IS 'No row: the host cannot be seen.';

CREATE FUNCTION vibe._kill_modes(unit text)
    RETURNS text
    LANGUAGE sql
    STABLE STRICT
BEGIN ATOMIC
    SELECT NULL::text;
END;
COMMENT ON FUNCTION vibe._kill_modes(text) IS 'NULL: the host cannot be seen.';

CREATE FUNCTION vibe._share_directory()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT NULL::text;
END;
COMMENT ON FUNCTION vibe._share_directory() IS 'NULL: nothing of ours is installed on the host.';

CREATE FUNCTION vibe._live_shims()
    RETURNS TABLE (run_id bigint, pid integer)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT NULL::bigint, NULL::integer WHERE false;
END;
COMMENT ON FUNCTION vibe._live_shims() IS 'No row: nothing runs on the host.';

CREATE FUNCTION vibe._try_lock_limit(name text)
    RETURNS boolean
    LANGUAGE plpgsql
    STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM vibe.limit_locks l WHERE l.key = hashtextextended(name, 0) & 255 FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END
$$;

CREATE FUNCTION vibe._request_topics(agent_name text, note text)
    RETURNS boolean
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT false;
END;
COMMENT ON FUNCTION vibe._request_topics(text, text) IS 'False: an agent without a task needs a dispatcher. People are told of a low backlog all the same.';

CREATE FUNCTION vibe.request_heartbeat(name text, note text DEFAULT NULL)
    RETURNS TABLE (requested boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._needs_library('a heartbeat');
END
$$;
COMMENT ON FUNCTION vibe.request_heartbeat(text, text) IS 'Raises VB050: an agent without a task needs a dispatcher.';

CREATE FUNCTION vibe._why_no_dispatcher()
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF vibe._is_draining() THEN
        RETURN ('draining', 'Nothing is claimed: drain() is on.', (SELECT h.draining_since FROM vibe.home h), NULL,
            'SELECT * FROM vibe.drain(false);')::vibe.reason_info;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._why_no_dispatcher() IS 'Nothing may be claimed.';

CREATE FUNCTION vibe._why_no_runner(item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT ('ready', 'It is ready and waits for a worker that claims it.', item.since, NULL,
            format('SELECT * FROM vibe.claim_runs(%L);', ARRAY[item.agent_name]))::vibe.reason_info;
END;
COMMENT ON FUNCTION vibe._why_no_runner(vibe.work) IS 'Only a worker is missing.';

CREATE FUNCTION vibe._health_dispatcher()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'dispatcher', 'ok', 'none without the library: workers elsewhere claim', NULL::text;
END;
COMMENT ON FUNCTION vibe._health_dispatcher() IS 'Says that there is no dispatcher.';

CREATE FUNCTION vibe._health_versions()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'versions', 'ok', format('%s, SQL only', v.extension), NULL::text FROM vibe.version() v;
END;
COMMENT ON FUNCTION vibe._health_versions() IS 'Says which version this is.';

CREATE FUNCTION vibe._read_log(
    run_id bigint, claimed_at timestamptz, stream text, from_byte bigint, max_bytes integer, tail text,
    OUT text text, OUT begins bigint, OUT next_byte bigint, OUT total_bytes bigint, OUT dropped_bytes bigint
)
    LANGUAGE plpgsql
    STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._needs_library('a run''s log');
END
$$;
COMMENT ON FUNCTION vibe._read_log(bigint, timestamptz, text, bigint, integer, text) IS 'Raises VB050: what a worker''s program prints is the worker''s to keep.';

CREATE FUNCTION vibe._explain_launch(run text, runner text, OUT record text, OUT workspace text, OUT passed text[], OUT problem text)
    LANGUAGE plpgsql
    STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._needs_library('what a run is started with');
END
$$;
COMMENT ON FUNCTION vibe._explain_launch(text, text) IS 'Raises VB050: nothing is started here.';

-- Nobody runs an agent on a schedule.
UPDATE vibe.agents SET heartbeat_schedule = NULL WHERE is_preset;
