-- Verbs of the registry of external services. A secret is refused, never stored and never repeated in a message:
-- what an agent needs to call a service reaches it through its environment (pass_env, secret_env of its runner).

CREATE TYPE vibe.service_info AS (
    name text, capability text, priority integer, env_var text, base_url text, use_cases text[],
    cost_per_call_usd numeric, config jsonb, is_active boolean, health text, open_until timestamptz, failures_in_a_row bigint);
COMMENT ON TYPE vibe.service_info IS 'A service and its health, as functions return it.';

CREATE TYPE vibe.service_category_info AS (
    name text, description text, is_preset boolean, services bigint, active_services bigint);
COMMENT ON TYPE vibe.service_category_info IS 'A service category and how many services it has, as functions return it.';

CREATE FUNCTION vibe.list_services(capability text DEFAULT NULL)
    RETURNS SETOF vibe.service_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.name, s.capability, s.priority, s.env_var, s.base_url, s.use_cases, s.cost_per_call_usd, s.config,
           s.is_active, h.health, h.open_until, h.failures_in_a_row
      FROM vibe.services s
     CROSS JOIN LATERAL vibe._service_health(s.name) h
     WHERE list_services.capability IS NULL OR s.capability = list_services.capability
     ORDER BY s.capability, s.priority, s.name;
END;
COMMENT ON FUNCTION vibe.list_services(text) IS 'Services, inactive ones included, of one capability or of all, by priority: health is ok or open_circuit (open_until says until when).';

CREATE FUNCTION vibe.list_service_categories()
    RETURNS SETOF vibe.service_category_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.name, c.description, c.is_preset, count(s.name), count(s.name) FILTER (WHERE s.is_active)
      FROM vibe.service_categories c
      LEFT JOIN vibe.services s ON s.capability = c.name
     GROUP BY c.name
     ORDER BY c.name;
END;
COMMENT ON FUNCTION vibe.list_service_categories() IS 'The capabilities that services can have, and how many services each has.';

-- Keys have a known beginning or are long and random; a name of a variable is neither.
CREATE FUNCTION vibe._looks_like_secret(value text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(
        value ~ '(^|[^A-Za-z0-9])(sk|pk|rk)[-_][A-Za-z0-9_-]{8,}'
        OR value ~ '^(gh[oprsu]_|github_pat_|xox[a-z]-|glpat-|AKIA|ASIA|AIza|ya29\.|SG\.|hf_|eyJ)[A-Za-z0-9._-]{8,}'
        OR value ~ '^[0-9]{6,}:[A-Za-z0-9_-]{20,}$'
        OR value ~* '^(bearer|basic)\s+\S{8,}'
        OR value ~ '-----BEGIN '
        OR value ~ '://[^/@\s]*@'
        OR value ~* '[?&](api[_-]?key|access[_-]?token|key|token|secret|password)=.'
        OR (value ~ '^[A-Za-z0-9+/]{32,}={0,2}$' AND value ~ '[0-9]' AND value ~ '[A-Za-z]')
        OR (value ~ '^[A-Za-z0-9_-]{40,}$' AND value ~ '[0-9]' AND value ~ '[a-z]' AND value ~ '[A-Z]')
        OR (value ~ '^[A-Z0-9]{16,}$' AND value ~ '[0-9]'), false);
END;
COMMENT ON FUNCTION vibe._looks_like_secret(text) IS 'Whether a text looks like a key, a token, or a URL with one in it.';

CREATE FUNCTION vibe._secret_in(config jsonb)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    WITH RECURSIVE walk(key, value) AS (
        SELECT 'config', config
        UNION ALL
        SELECT e.key, e.value
          FROM walk w
         CROSS JOIN LATERAL (
            SELECT o.key, o.value FROM jsonb_each(CASE WHEN jsonb_typeof(w.value) = 'object' THEN w.value ELSE '{}' END) o
            UNION ALL
            SELECT w.key, a.value FROM jsonb_array_elements(CASE WHEN jsonb_typeof(w.value) = 'array' THEN w.value ELSE '[]' END) a) e
    )
    SELECT min(w.key) FROM walk w
     WHERE vibe._looks_like_secret(w.key)
        OR (jsonb_typeof(w.value) IN ('string', 'number')
            AND (vibe._looks_like_secret(w.value #>> '{}')
                 OR w.key ~* '(^key|(api|access|private|secret)[_-]?key|token|secret|password|passwd|passphrase|authorization|credentials?)$'));
END;
COMMENT ON FUNCTION vibe._secret_in(jsonb) IS 'The key of a value that is, by its name or its looks, a secret; NULL where there is none.';

CREATE FUNCTION vibe._service_not_found(what text, name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB070',
        MESSAGE = format('%s not found', what),
        DETAIL = format('There is no %s %s.', what, coalesce(quote_literal(left(name, 200)), 'NULL')),
        HINT = CASE what WHEN 'service' THEN 'SELECT * FROM vibe.list_services() lists them; vibe.register_service(name, capability) adds one.'
            ELSE 'SELECT * FROM vibe.list_service_categories() lists them; vibe.register_service_category(name, description) adds one.' END;
END
$$;
COMMENT ON FUNCTION vibe._service_not_found(text, text) IS 'Raises VB070 for a service or a service category.';

CREATE FUNCTION vibe._check_capability(capability text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.service_categories c WHERE c.name = _check_capability.capability) THEN
        PERFORM vibe._service_not_found('service category', _check_capability.capability);
    END IF;
    RETURN capability;
END
$$;
COMMENT ON FUNCTION vibe._check_capability(text) IS 'Raises VB070 for a capability that is no service category.';

CREATE FUNCTION vibe._check_service_names(capability text, service_names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given text;
BEGIN
    PERFORM vibe._check_capability(_check_service_names.capability);
    IF (SELECT count(*) <> count(DISTINCT n) FROM unnest(service_names) n) THEN
        PERFORM vibe._invalid_argument('service_names', service_names::text, 'Name each service once.');
    END IF;
    FOREACH given IN ARRAY service_names LOOP
        IF NOT EXISTS (SELECT 1 FROM vibe.services s
                        WHERE s.name = given AND s.capability = _check_service_names.capability) THEN
            PERFORM vibe._service_not_found('service', given);
        END IF;
    END LOOP;
    RETURN service_names;
END
$$;
COMMENT ON FUNCTION vibe._check_service_names(text, text[]) IS 'Raises VB070 for an unknown capability or a name that is no service of it, VB030 for one that is NULL or there twice.';

CREATE FUNCTION vibe._check_service(given vibe.services)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hidden text := 'a value that is not repeated here';
    told text := 'Store the key in the environment of the agents'' runner and name the variable in env_var.';
BEGIN
    IF given.name IS NULL OR given.name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' OR vibe._looks_like_secret(given.name) THEN
        PERFORM vibe._invalid_argument('name', hidden, 'Use 1 to 100 letters, digits, ".", "_" and "-"; not a key.');
    ELSIF given.env_var !~ '^[A-Z][A-Z0-9_]{0,63}$' OR vibe._looks_like_secret(given.env_var) THEN
        PERFORM vibe._invalid_argument('env_var', hidden,
            'Give the name of an environment variable in capitals, such as OPENAI_API_KEY, never its value.');
    ELSIF given.base_url !~ E'^https?://[^\\s@]+$' OR length(given.base_url) > 2000 OR vibe._looks_like_secret(given.base_url) THEN
        PERFORM vibe._invalid_argument('base_url', hidden, 'Use a http or https URL without a password or a key. ' || told);
    ELSIF jsonb_typeof(given.config) <> 'object' OR length(given.config::text) > 10000 THEN
        PERFORM vibe._invalid_argument('config', hidden, 'Use a JSON object of at most 10000 characters.');
    ELSIF vibe._secret_in(given.config) IS NOT NULL THEN
        PERFORM vibe._invalid_argument('config', hidden, 'One of its values looks like a secret. ' || told);
    ELSIF NOT (given.cost_per_call_usd >= 0 AND given.cost_per_call_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('cost_per_call_usd', given.cost_per_call_usd::text, 'Use 0 or more, or NULL where it is unknown.');
    ELSIF EXISTS (SELECT 1 FROM unnest(given.use_cases) u WHERE u IS NULL OR vibe._looks_like_secret(u)) THEN
        PERFORM vibe._invalid_argument('use_cases', hidden, 'Use words such as hero_image; leave NULL out.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_service(vibe.services) IS 'Raises VB030 for what no service may be, secrets above all; given values are not repeated where they could be one.';

-- Tables written: services.
CREATE FUNCTION vibe.register_service(
    name text, capability text, env_var text DEFAULT NULL, priority integer DEFAULT NULL, base_url text DEFAULT NULL,
    config jsonb DEFAULT NULL, use_cases text[] DEFAULT NULL, cost_per_call_usd numeric DEFAULT NULL
)
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given vibe.services;
BEGIN
    given.created_at := vibe._begin_verb();
    given.name := register_service.name;
    given.capability := register_service.capability;
    given.priority := register_service.priority;
    given.env_var := register_service.env_var;
    given.base_url := register_service.base_url;
    given.config := register_service.config;
    given.use_cases := register_service.use_cases;
    given.cost_per_call_usd := register_service.cost_per_call_usd;
    PERFORM vibe._check_service(given);
    PERFORM vibe._check_capability(given.capability);
    INSERT INTO vibe.services AS s (name, capability, priority, env_var, base_url, use_cases, cost_per_call_usd, config, created_at)
    SELECT given.name, given.capability, coalesce(given.priority, max(o.priority) + 1, 1), given.env_var, given.base_url,
           coalesce(given.use_cases, '{}'), given.cost_per_call_usd, coalesce(given.config, '{}'), given.created_at
      FROM vibe.services o WHERE o.capability = given.capability
    ON CONFLICT ON CONSTRAINT services_pkey DO UPDATE SET
        priority = coalesce(given.priority, s.priority), env_var = coalesce(given.env_var, s.env_var),
        base_url = coalesce(given.base_url, s.base_url), use_cases = coalesce(given.use_cases, s.use_cases),
        cost_per_call_usd = coalesce(given.cost_per_call_usd, s.cost_per_call_usd), config = coalesce(given.config, s.config)
    WHERE s.capability = given.capability;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a service with this name serves another capability',
            DETAIL = format('The name is "%s", its capability "%s".', given.name, (SELECT o.capability FROM vibe.services o WHERE o.name = given.name)),
            HINT = format('Give it another name here, such as "%s-%s".', given.name, given.capability);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_services(given.capability) l WHERE l.name = given.name;
END
$$;
COMMENT ON FUNCTION vibe.register_service(text, text, text, integer, text, jsonb, text[], numeric) IS 'Inserts a service of a capability, or changes the given fields of one. env_var names the environment variable with its key; anything that looks like a key is refused. Without a priority it comes last in its chain. use_cases narrows what it is used for. Raises VB022, VB030 (invalid argument), VB032 (the name serves another capability), VB070 (capability).';

CREATE FUNCTION vibe.set_service_active(name text, active boolean)
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed text;
BEGIN
    PERFORM vibe._begin_verb();
    IF set_service_active.active IS NULL THEN
        PERFORM vibe._invalid_argument('active', NULL, 'Use true or false.');
    END IF;
    UPDATE vibe.services s SET is_active = set_service_active.active WHERE s.name = set_service_active.name
    RETURNING s.capability INTO changed;
    IF NOT FOUND THEN
        PERFORM vibe._service_not_found('service', set_service_active.name);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_services(changed) l WHERE l.name = set_service_active.name;
END
$$;
COMMENT ON FUNCTION vibe.set_service_active(text, boolean) IS 'Takes a service out of all chains, or back in at its place. Raises VB022, VB030, VB070 (service).';

-- Locks: the services of the capability, by name.
CREATE FUNCTION vibe.reorder_services(capability text, service_names text[])
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF coalesce(cardinality(reorder_services.service_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('service_names', reorder_services.service_names::text, 'Name the services in their order.');
    END IF;
    PERFORM 1 FROM vibe.services s WHERE s.capability = reorder_services.capability ORDER BY s.name FOR NO KEY UPDATE;
    PERFORM vibe._check_service_names(reorder_services.capability, reorder_services.service_names);
    UPDATE vibe.services s SET priority = o.place
      FROM (SELECT x.name, row_number() OVER (ORDER BY array_position(reorder_services.service_names, x.name), x.priority, x.name) AS place
              FROM vibe.services x WHERE x.capability = reorder_services.capability) o
     WHERE s.name = o.name AND s.priority <> o.place;
    RETURN QUERY SELECT l.* FROM vibe.list_services(reorder_services.capability) l;
END
$$;
COMMENT ON FUNCTION vibe.reorder_services(text, text[]) IS 'Puts the named services of a capability first, in this order; the others follow as they did. Raises VB022, VB030, VB070 (capability, or no service of it).';
