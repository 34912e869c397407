-- All checks in one call.

CREATE FUNCTION vibe.health()
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
    RETURN QUERY SELECT * FROM vibe._health_batches(at);
    RETURN QUERY SELECT * FROM vibe._health_outside(at);
    RETURN QUERY SELECT * FROM vibe._health_host();
    RETURN QUERY SELECT * FROM vibe._health_sweep(at);
    RETURN QUERY SELECT * FROM vibe._health_retention(at);
    RETURN QUERY SELECT * FROM vibe._health_cron();
END
$$;
COMMENT ON FUNCTION vibe.health() IS 'One row per check: dispatcher, versions, each runner, agents as the server''s user, waiting work, stale locks, blocked work, stray supervisors, tasks to create, providers, outbox, notify queue, init process, restart, sweep, retention, pg_cron. status is ok, warn or fail, next_step what to do. Raises nothing.';
