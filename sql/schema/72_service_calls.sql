-- What happens at work: which service to call, and how a call went. Agents read no table, so both run with their
-- owner's rights and take the token of a run; people need none.

-- No lock: a log line or a look at the chain changes nothing that the token fences.
CREATE FUNCTION vibe._calling_run(run_id bigint, lock_token text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _calling_run.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(_calling_run.run_id);
    ELSIF run.token_hash <> vibe._token_hash(_calling_run.lock_token) THEN
        PERFORM vibe._lock_lost(run.id, 'The token is not the one of this run.');
    ELSIF run.closed_at IS NOT NULL OR NOT vibe._holds_its_step(run) THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._calling_run(bigint, text) IS 'The open run of that id and token, not locked. Raises VB006, VB011.';

CREATE FUNCTION vibe._no_service(capability text, campaign_id bigint, use_case text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text[] := (SELECT o.service_names FROM vibe.service_overrides o
                    WHERE o.campaign_id = _no_service.campaign_id AND o.capability = _no_service.capability);
    known text;
BEGIN
    SELECT string_agg(format('%s (%s)', s.name, CASE WHEN s.is_active THEN 'active' ELSE 'inactive' END), ', ' ORDER BY s.priority, s.name)
      INTO known FROM vibe.services s WHERE s.capability = _no_service.capability;
    RAISE EXCEPTION USING
        ERRCODE = 'VB071',
        MESSAGE = format('no service is available for "%s"', capability),
        DETAIL = format('Registered: %s.', coalesce(known, 'none'))
            || CASE WHEN own IS NULL THEN '' ELSE format(' Campaign %s uses only: %s.', campaign_id, array_to_string(own, ', ')) END
            || CASE WHEN use_case IS NULL THEN '' ELSE format(' Asked for was use case %L.', left(use_case, 200)) END,
        HINT = CASE WHEN own IS NOT NULL THEN format('SELECT * FROM vibe.set_service_override(%s, %L, NULL) goes back to the usual chain.', campaign_id, capability)
            WHEN known IS NULL THEN format('SELECT * FROM vibe.register_service(name => …, capability => %L);', capability)
            ELSE 'SELECT * FROM vibe.set_service_active(name, true) puts a service back; required => false gives no row instead.' END;
END
$$;
COMMENT ON FUNCTION vibe._no_service(text, bigint, text) IS 'Raises VB071 with what there is and the call that would help.';

CREATE FUNCTION vibe.resolve_service(
    capability text, campaign_id bigint DEFAULT NULL, use_case text DEFAULT NULL, required boolean DEFAULT true,
    run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL
)
    RETURNS TABLE (place bigint, service text, priority integer, env_var text, base_url text, config jsonb,
                   cost_per_call_usd numeric, health text, open_until timestamptz, source text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign bigint := resolve_service.campaign_id;
BEGIN
    IF resolve_service.lock_token IS NOT NULL THEN
        campaign := (vibe._calling_run(resolve_service.run_id, resolve_service.lock_token)).campaign_id;
    ELSIF NOT vibe._may('vibe_viewer') THEN
        PERFORM vibe._require_operator('lock_token');
    ELSIF campaign IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = campaign) THEN
        PERFORM vibe._campaign_not_found(campaign);
    END IF;
    PERFORM vibe._check_capability(resolve_service.capability);
    RETURN QUERY SELECT c.* FROM vibe._service_chain(resolve_service.capability, campaign, resolve_service.use_case) c;
    IF NOT FOUND AND resolve_service.required IS DISTINCT FROM false THEN
        PERFORM vibe._no_service(resolve_service.capability, campaign, resolve_service.use_case);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.resolve_service(text, bigint, text, boolean, bigint, text) IS 'The services to try for a capability, in their order: the campaign''s own chain (source override) or the usual one by priority (default); inactive ones, and those for other use cases, are left out, and one with an open circuit comes last (health open_circuit, open_until). env_var names the variable with the key. An agent gives run_id and lock_token, and its own campaign counts. Without any service: an error, or no row with required => false. Locks nothing. Raises VB002, VB006, VB011, VB060 (an agent without its token), VB070 (capability), VB071 (no service is available).';

CREATE FUNCTION vibe._check_call(service text, status text, duration_ms integer, retry_after interval, cost_usd numeric)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.services s WHERE s.name = _check_call.service) THEN
        PERFORM vibe._service_not_found('service', _check_call.service);
    ELSIF (status IN ('success', 'failed', 'timeout', 'rate_limited')) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('status', status, 'Use success, failed, timeout or rate_limited.');
    ELSIF duration_ms < 0 THEN
        PERFORM vibe._invalid_argument('duration_ms', duration_ms::text, 'Use 0 or more milliseconds, or NULL.');
    ELSIF NOT (cost_usd >= 0 AND cost_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('cost_usd', cost_usd::text, 'Use 0 or more, or NULL for the usual cost.');
    ELSIF retry_after IS NOT NULL AND (status <> 'rate_limited' OR NOT retry_after BETWEEN interval '0' AND interval '30 days') THEN
        PERFORM vibe._invalid_argument('retry_after', retry_after::text, 'Use 0 to 30 days, with status rate_limited only.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_call(text, text, integer, interval, numeric) IS 'Raises VB030 or VB070 for a call that cannot be logged.';

-- Tables written: service_calls.
CREATE FUNCTION vibe.log_service_call(
    service text, status text, duration_ms integer DEFAULT NULL, error text DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    agent_name text DEFAULT NULL, run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL, retry_after interval DEFAULT NULL,
    cost_usd numeric DEFAULT NULL
)
    RETURNS TABLE (call_id bigint, health text, open_until timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    new_id bigint;
BEGIN
    IF log_service_call.lock_token IS NOT NULL THEN
        run := vibe._calling_run(log_service_call.run_id, log_service_call.lock_token);
    ELSE
        PERFORM vibe._require_operator('lock_token');
        SELECT * INTO run FROM vibe.runs r WHERE r.id = log_service_call.run_id;
        IF NOT FOUND AND log_service_call.run_id IS NOT NULL THEN
            PERFORM vibe._run_not_found(log_service_call.run_id);
        ELSIF log_service_call.campaign_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = log_service_call.campaign_id) THEN
            PERFORM vibe._campaign_not_found(log_service_call.campaign_id);
        END IF;
        run.campaign_id := coalesce(log_service_call.campaign_id, run.campaign_id);
        run.agent_name := coalesce(log_service_call.agent_name, run.agent_name);
    END IF;
    PERFORM vibe._check_call(log_service_call.service, log_service_call.status, log_service_call.duration_ms,
        log_service_call.retry_after, log_service_call.cost_usd);
    INSERT INTO vibe.service_calls AS c (at, service_name, status, duration_ms, cost_usd, error, retry_at, campaign_id, task_id, run_id, agent_name)
    SELECT at, s.name, log_service_call.status, log_service_call.duration_ms, coalesce(log_service_call.cost_usd, s.cost_per_call_usd),
           left(log_service_call.error, 4000), at + log_service_call.retry_after, nullif(run.campaign_id, 0), run.task_id, run.id,
           left(run.agent_name, 200)
      FROM vibe.services s WHERE s.name = log_service_call.service
    RETURNING c.id INTO STRICT new_id;
    RETURN QUERY SELECT new_id, h.health, h.open_until FROM vibe._service_health(log_service_call.service) h;
END
$$;
COMMENT ON FUNCTION vibe.log_service_call(text, text, integer, text, bigint, text, bigint, text, interval, numeric) IS 'Notes how a call of a service went: success, failed, timeout or rate_limited (with retry_after, until when it is not to be called). Five failures in a row open its circuit for 10 minutes: it comes last in its chain; a success closes it. An agent gives run_id and lock_token, and the line carries its run, campaign and name; an operator may leave the token out. cost_usd defaults to the service''s. Locks nothing. Raises VB002, VB006, VB011, VB022, VB030, VB060 (an agent without its token), VB070 (service).';

CREATE TYPE vibe.service_call_info AS (
    id bigint, at timestamptz, service text, status text, duration_ms integer, cost_usd numeric, error text, retry_at timestamptz,
    campaign_id bigint, task_id bigint, run_id bigint, agent_name text);
COMMENT ON TYPE vibe.service_call_info IS 'A call of a service, as functions return it.';

-- One query for each index that a page can be a range of, as in _task_page().
CREATE FUNCTION vibe.list_service_calls(
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

-- Tables written: service_calls.
CREATE FUNCTION vibe._prune_service_calls(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.service_calls c
     WHERE c.id IN (SELECT o.id FROM vibe.service_calls o
                     WHERE o.at < _prune_service_calls.at - (vibe._outside_limits()).service_calls_kept_for
                     ORDER BY o.at LIMIT 10000 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_service_calls(timestamptz) IS 'Deletes calls that are older than their retention, 10000 at most.';
