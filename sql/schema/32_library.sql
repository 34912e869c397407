-- What only C can do: a clock that tests can set, the commit callback that wakes the dispatcher, the identity of
-- this server, the state of the dispatcher and the runner file.

CREATE FUNCTION vibe.clock()
    RETURNS timestamptz
    LANGUAGE c
    VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'vibe_clock';
COMMENT ON FUNCTION vibe.clock() IS 'The time that every verb works with: now, or vibe_orchestrator.fake_now where a test set it.';

CREATE FUNCTION vibe._wake(completed boolean)
    RETURNS boolean
    LANGUAGE c
    VOLATILE
    AS 'MODULE_PATHNAME', 'vibe_wake';
COMMENT ON FUNCTION vibe._wake(boolean) IS 'Wakes this database''s dispatcher once the transaction has committed; with completed also NOTIFY vibe_dispatch where vibe_orchestrator.notify is commit. True if a dispatcher runs.';

CREATE FUNCTION vibe._home_identity()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_home_identity';
COMMENT ON FUNCTION vibe._home_identity() IS 'System identifier, database oid and machine id: what a copy of this database does not share.';

CREATE FUNCTION vibe._library_version()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_library_version';
COMMENT ON FUNCTION vibe._library_version() IS 'Version of the loaded library.';

CREATE FUNCTION vibe._dispatcher_pid()
    RETURNS integer
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_dispatcher_pid';
COMMENT ON FUNCTION vibe._dispatcher_pid() IS 'Process id of this database''s dispatcher; NULL when there is none or the library is not preloaded.';

CREATE FUNCTION vibe.dispatcher_status()
    RETURNS TABLE (database text, pid integer, state text, problem text, running integer, wakeups bigint, started_at timestamptz)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_dispatcher_status';
COMMENT ON FUNCTION vibe.dispatcher_status() IS 'The dispatchers of this server: state starting, no_extension, foreign, blocked (problem says why) or running; how many runs each watches. Raises VB050 unless the library is preloaded.';

CREATE FUNCTION vibe.runners()
    RETURNS TABLE (name text, kind text, program text, executable boolean, prefix text, max_parallel integer,
                   provider text, fallback text, problem text, found boolean, os_user text, fallback_model text)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_runners';
COMMENT ON FUNCTION vibe.runners() IS 'The runners of the runner file as it is now; found and executable tell about its program (NULL: the servers user cannot see), os_user whose processes its agents are (NULL: the prefix does not say); fallback stands in while the provider is paused, with fallback_model instead of the step''s where there is one; problem says all that keeps one from being used or will make its runs fail. Raises VB041 (the file cannot be used, and why), VB050 (library not preloaded).';

CREATE FUNCTION vibe._host_facts()
    RETURNS TABLE (postmaster_pid integer, cgroup text)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_host_facts';
COMMENT ON FUNCTION vibe._host_facts() IS 'The server''s process id, and the control groups it is in as /proc has them.';

CREATE FUNCTION vibe._kill_modes(unit text)
    RETURNS text
    LANGUAGE c
    STABLE STRICT
    AS 'MODULE_PATHNAME', 'vibe_kill_modes';
COMMENT ON FUNCTION vibe._kill_modes(text) IS 'Every KillMode that the files of a systemd unit, of its template, and their drop-in files set, one a line, the one that counts last.';

CREATE FUNCTION vibe._share_directory()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_share_directory';
COMMENT ON FUNCTION vibe._share_directory() IS 'The directory of this installation''s shared files, below which the skills are.';

CREATE FUNCTION vibe._live_shims()
    RETURNS TABLE (run_id bigint, pid integer)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_live_shims';
COMMENT ON FUNCTION vibe._live_shims() IS 'The runs of this database whose supervisor process lives on this machine, with its pid.';

CREATE FUNCTION vibe.version()
    RETURNS TABLE (library text, extension text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._library_version(), e.extversion FROM pg_extension e WHERE e.extname = 'vibe_orchestrator';
END;
COMMENT ON FUNCTION vibe.version() IS 'Versions of the loaded library and of the SQL objects; they differ after an upgrade until both the server was restarted and ALTER EXTENSION vibe_orchestrator UPDATE was run.';
