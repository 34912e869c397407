-- What follows from the tables of 24_services.sql and is stored nowhere: circuits, chains, what an agent lacks.

-- The last calls of a service, newest first, up to its last success: as many in a row as open a circuit, and no
-- index entry more, however long the log is.
CREATE FUNCTION vibe._service_health(service text)
    RETURNS TABLE (health text, open_until timestamptz, failures_in_a_row bigint)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH last AS (
        SELECT c.id, c.at, c.status, c.retry_at FROM vibe.service_calls c
         WHERE c.service_name = service
         ORDER BY c.id DESC LIMIT (SELECT l.circuit_failures FROM vibe._outside_limits() l)
    ), failing AS (
        SELECT l.* FROM last l WHERE l.id > coalesce((SELECT max(g.id) FROM last g WHERE g.status = 'success'), 0)
    ), verdict AS (
        SELECT count(*) AS failures,
               greatest(max(f.retry_at),
                        CASE WHEN count(*) >= (SELECT l.circuit_failures FROM vibe._outside_limits() l)
                             THEN max(f.at) + (SELECT l.circuit_open_for FROM vibe._outside_limits() l) END) AS until
          FROM failing f
    )
    SELECT CASE WHEN v.until > vibe.clock() THEN 'open_circuit' ELSE 'ok' END,
           CASE WHEN v.until > vibe.clock() THEN v.until END, v.failures
      FROM verdict v;
END;
COMMENT ON FUNCTION vibe._service_health(text) IS 'ok, or open_circuit and until when: for 10 minutes after 5 failures in a row, or until a rate limit is over. A success closes it. failures_in_a_row counts to 5.';

CREATE FUNCTION vibe._service_chain(capability text, campaign_id bigint, use_case text)
    RETURNS TABLE (place bigint, service text, priority integer, env_var text, base_url text, config jsonb,
                   cost_per_call_usd numeric, health text, open_until timestamptz, source text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH override AS (
        SELECT o.service_names FROM vibe.service_overrides o
         WHERE o.campaign_id = _service_chain.campaign_id AND o.capability = _service_chain.capability
    ), candidate AS (
        SELECT s.*, h.health, h.open_until, o.service_names IS NOT NULL AS is_override,
               coalesce(array_position(o.service_names, s.name), s.priority) AS rank
          FROM vibe.services s
          LEFT JOIN override o ON true
         CROSS JOIN LATERAL vibe._service_health(s.name) h
         WHERE s.capability = _service_chain.capability AND s.is_active
           AND (o.service_names IS NULL OR s.name = ANY (o.service_names))
           AND (_service_chain.use_case IS NULL OR s.use_cases = '{}' OR _service_chain.use_case = ANY (s.use_cases))
    )
    SELECT row_number() OVER (ORDER BY c.health <> 'ok', c.rank, c.name), c.name, c.priority, c.env_var, c.base_url,
           c.config, c.cost_per_call_usd, c.health, c.open_until,
           CASE WHEN c.is_override THEN 'override' ELSE 'default' END
      FROM candidate c
     ORDER BY 1;
END;
COMMENT ON FUNCTION vibe._service_chain(text, bigint, text) IS 'The active services of a capability in the order in which they are to be tried: open circuits last, else the campaign''s own order, else priority.';

CREATE FUNCTION vibe._agent_capabilities(agent_name text)
    RETURNS TABLE (capability text, required boolean, active bigint, healthy bigint)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT x.capability, x.required, count(s.name), count(s.name) FILTER (WHERE h.health = 'ok')
      FROM vibe.agent_services x
      LEFT JOIN vibe.services s ON s.capability = x.capability AND s.is_active
      LEFT JOIN LATERAL vibe._service_health(s.name) h ON true
     WHERE x.agent_name = _agent_capabilities.agent_name
     GROUP BY x.capability, x.required;
END;
COMMENT ON FUNCTION vibe._agent_capabilities(text) IS 'The capabilities that an agent uses, and how many services of each are active and healthy.';

CREATE FUNCTION vibe._missing_services(agent_name text)
    RETURNS text[]
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(array_agg(x.capability ORDER BY x.capability), '{}')
      FROM vibe.agent_services x
     WHERE x.agent_name = _missing_services.agent_name AND x.required
       AND NOT EXISTS (SELECT 1 FROM vibe.services s WHERE s.capability = x.capability AND s.is_active);
END;
COMMENT ON FUNCTION vibe._missing_services(text) IS 'The capabilities that an agent cannot work without and that no active service has; none is an empty array.';
