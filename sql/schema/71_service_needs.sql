-- Verbs about who uses which services: categories, what agents need, and a campaign's own chains.

-- Tables written: service_categories.
CREATE FUNCTION vibe.register_service_category(name text, description text)
    RETURNS SETOF vibe.service_category_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF register_service_category.name IS NULL OR register_service_category.name !~ '^[a-z0-9][a-z0-9_]{0,62}$' THEN
        PERFORM vibe._invalid_argument('name', register_service_category.name, 'Use 1 to 63 lower-case letters, digits and "_".');
    ELSIF btrim(coalesce(register_service_category.description, '')) = '' THEN
        PERFORM vibe._invalid_argument('description', register_service_category.description, 'Say what it is good for.');
    END IF;
    INSERT INTO vibe.service_categories AS c (name, description)
    VALUES (register_service_category.name, register_service_category.description)
    ON CONFLICT ON CONSTRAINT service_categories_pkey DO UPDATE SET description = excluded.description WHERE NOT c.is_preset;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a service category with this name came with the extension',
            DETAIL = format('The name is "%s".', register_service_category.name),
            HINT = 'Use it as it is, or choose another name.';
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_service_categories() l WHERE l.name = register_service_category.name;
END
$$;
COMMENT ON FUNCTION vibe.register_service_category(text, text) IS 'Adds a capability that services can have, or changes the description of one of yours. Raises VB022, VB030, VB032 (it came with the extension).';

CREATE FUNCTION vibe._check_agent(agent_name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = _check_agent.agent_name) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('There is no agent %s.', coalesce(quote_literal(left(agent_name, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
    END IF;
    RETURN agent_name;
END
$$;
COMMENT ON FUNCTION vibe._check_agent(text) IS 'Raises VB004 for an agent that is not there.';

CREATE TYPE vibe.agent_service_info AS (agent_name text, capability text, required boolean);
COMMENT ON TYPE vibe.agent_service_info IS 'A capability that an agent uses, as functions return it.';

-- Tables written: agent_services.
CREATE FUNCTION vibe.require_service(agent_name text, capability text, required boolean DEFAULT true)
    RETURNS SETOF vibe.agent_service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_agent(require_service.agent_name), vibe._check_capability(require_service.capability);
    IF require_service.required IS NULL THEN
        PERFORM vibe._invalid_argument('required', NULL, 'Use true, or false for what it can do without.');
    END IF;
    RETURN QUERY
        INSERT INTO vibe.agent_services AS x (agent_name, capability, required)
        VALUES (require_service.agent_name, require_service.capability, require_service.required)
        ON CONFLICT ON CONSTRAINT agent_services_pkey DO UPDATE SET required = excluded.required
        RETURNING x.agent_name, x.capability, x.required;
END
$$;
COMMENT ON FUNCTION vibe.require_service(text, text, boolean) IS 'Notes that an agent uses a capability, which it cannot work without (required) or works less well without. Raises VB004 (agent), VB022, VB030, VB070 (capability).';

-- Tables written: agent_services. Locks: the agent's row, so that two lists do not mix.
CREATE FUNCTION vibe.set_agent_services(agent_name text, required text[] DEFAULT '{}', optional text[] DEFAULT '{}')
    RETURNS SETOF vibe.agent_service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted text[] := coalesce(set_agent_services.required, '{}') || coalesce(set_agent_services.optional, '{}');
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_agent(set_agent_services.agent_name);
    PERFORM vibe._check_capability(w) FROM unnest(wanted) w;
    IF cardinality(wanted) <> (SELECT count(DISTINCT w) FROM unnest(wanted) w) THEN
        PERFORM vibe._invalid_argument('optional', wanted::text, 'Name each capability once, as required or as optional.');
    END IF;
    PERFORM 1 FROM vibe.agents a WHERE a.name = set_agent_services.agent_name FOR NO KEY UPDATE;
    DELETE FROM vibe.agent_services x WHERE x.agent_name = set_agent_services.agent_name AND x.capability <> ALL (wanted);
    INSERT INTO vibe.agent_services AS x (agent_name, capability, required)
    SELECT set_agent_services.agent_name, w, w = ANY (coalesce(set_agent_services.required, '{}')) FROM unnest(wanted) w
    ON CONFLICT ON CONSTRAINT agent_services_pkey DO UPDATE SET required = excluded.required;
    RETURN QUERY
        SELECT x.agent_name, x.capability, x.required FROM vibe.agent_services x
         WHERE x.agent_name = set_agent_services.agent_name ORDER BY x.capability;
END
$$;
COMMENT ON FUNCTION vibe.set_agent_services(text, text[], text[]) IS 'Replaces the list of capabilities that an agent uses. Locks the agent''s row. Raises VB004 (agent), VB022, VB030, VB070 (capability).';

CREATE FUNCTION vibe.agent_service_status(agent_name text DEFAULT NULL)
    RETURNS TABLE (agent text, status text, reasons text[])
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF agent_service_status.agent_name IS NOT NULL THEN
        PERFORM vibe._check_agent(agent_service_status.agent_name);
    END IF;
    RETURN QUERY
        SELECT a.name,
               CASE WHEN bool_or(c.required AND c.active = 0) THEN 'disabled'
                    WHEN bool_or(c.active = 0 OR c.healthy = 0) THEN 'degraded'
                    ELSE 'enabled' END,
               coalesce(array_agg(format('%s %s: %s', CASE WHEN c.required THEN 'required' ELSE 'optional' END, c.capability,
                                         CASE WHEN c.active = 0 THEN 'no active service' ELSE 'every service has an open circuit' END)
                                  ORDER BY c.required DESC, c.capability) FILTER (WHERE c.active = 0 OR c.healthy = 0), '{}')
          FROM vibe.agents a
          LEFT JOIN LATERAL vibe._agent_capabilities(a.name) c ON true
         WHERE agent_service_status.agent_name IS NULL OR a.name = agent_service_status.agent_name
         GROUP BY a.name
         ORDER BY a.name;
END
$$;
COMMENT ON FUNCTION vibe.agent_service_status(text) IS 'Whether an agent, or each of them, has the services it uses: disabled (a required capability has no active service), degraded (an optional one has none, or all services of one have an open circuit) or enabled, and why. It forbids nothing. Raises VB004.';

-- Tables written: service_overrides. Locks: the campaign row is only held against its deletion.
CREATE FUNCTION vibe.set_service_override(campaign_id bigint, capability text, service_names text[])
    RETURNS TABLE (place bigint, service text, is_active boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = set_service_override.campaign_id) THEN
        PERFORM vibe._campaign_not_found(set_service_override.campaign_id);
    END IF;
    PERFORM vibe._check_service_names(set_service_override.capability, coalesce(set_service_override.service_names, '{}'));
    IF coalesce(cardinality(set_service_override.service_names), 0) = 0 THEN
        DELETE FROM vibe.service_overrides o
         WHERE o.campaign_id = set_service_override.campaign_id AND o.capability = set_service_override.capability;
        RETURN;
    END IF;
    INSERT INTO vibe.service_overrides AS o (campaign_id, capability, service_names)
    VALUES (set_service_override.campaign_id, set_service_override.capability, set_service_override.service_names)
    ON CONFLICT ON CONSTRAINT service_overrides_pkey DO UPDATE SET service_names = excluded.service_names;
    RETURN QUERY
        SELECT n.place, s.name, s.is_active
          FROM unnest(set_service_override.service_names) WITH ORDINALITY n(name, place)
          JOIN vibe.services s ON s.name = n.name
         ORDER BY n.place;
END
$$;
COMMENT ON FUNCTION vibe.set_service_override(bigint, text, text[]) IS 'Gives a campaign a chain of its own for a capability: these services in this order and no others. NULL or an empty array removes it (no row comes back). Raises VB002, VB022, VB030, VB070 (capability, or no service of it).';
