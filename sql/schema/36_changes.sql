-- What list functions and update functions share: the size of a page, and fields that come as JSON.

CREATE FUNCTION vibe._check_page(max_rows integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (max_rows BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_rows', max_rows::text, 'Use 1 to 1000; after_id gives the next page.');
    END IF;
    RETURN max_rows;
END
$$;
COMMENT ON FUNCTION vibe._check_page(integer) IS 'Raises VB030 unless a page has 1 to 1000 rows.';

CREATE FUNCTION vibe._check_fields(argument text, given jsonb, allowed text[])
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known text := 'Use a JSON object with any of the fields ' || array_to_string(allowed, ', ') || '.';
    unknown text[];
BEGIN
    IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
        PERFORM vibe._invalid_argument(argument, given::text, known);
    END IF;
    unknown := ARRAY(SELECT k FROM jsonb_object_keys(given) k WHERE k <> ALL (allowed) ORDER BY k);
    IF unknown <> '{}' THEN
        PERFORM vibe._invalid_argument(argument, array_to_string(unknown, ', '), known);
    END IF;
    RETURN given;
END
$$;
COMMENT ON FUNCTION vibe._check_fields(text, jsonb, text[]) IS 'Raises VB030 unless an argument is a JSON object that has only these fields; HINT lists them.';

-- Each of the following is what a field becomes: what it was where the object does not name it.
CREATE FUNCTION vibe._text_field(given jsonb, field text, was text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) NOT IN ('string', 'null') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON string, or null.');
    END IF;
    RETURN given ->> field;
END
$$;
COMMENT ON FUNCTION vibe._text_field(jsonb, text, text) IS 'A field that is a string or null. Raises VB030.';

CREATE FUNCTION vibe._number_field(given jsonb, field text, was numeric)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) NOT IN ('number', 'null') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON number, or null.');
    END IF;
    RETURN (given ->> field)::numeric;
END
$$;
COMMENT ON FUNCTION vibe._number_field(jsonb, text, numeric) IS 'A field that is a number or null. Raises VB030.';

CREATE FUNCTION vibe._integer_field(given jsonb, field text, was integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    number numeric := vibe._number_field(given, field, was);
BEGIN
    IF number NOT BETWEEN -2147483648 AND 2147483647 OR number <> trunc(number) THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a whole number, or null.');
    END IF;
    RETURN number::integer;
END
$$;
COMMENT ON FUNCTION vibe._integer_field(jsonb, text, integer) IS 'A field that is a whole number or null. Raises VB030.';

CREATE FUNCTION vibe._texts_field(given jsonb, field text, was text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) = 'null' THEN
        RETURN ARRAY[]::text[];
    ELSIF jsonb_typeof(given -> field) <> 'array' OR jsonb_path_exists(given -> field, '$[*] ? (@.type() != "string")') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON array of strings.');
    END IF;
    RETURN ARRAY(SELECT jsonb_array_elements_text(given -> field));
END
$$;
COMMENT ON FUNCTION vibe._texts_field(jsonb, text, text[]) IS 'A field that is an array of strings; null empties it. Raises VB030.';

CREATE FUNCTION vibe._ids_field(given jsonb, field text)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN NULL;
    ELSIF jsonb_typeof(given -> field) <> 'array' OR EXISTS (
        SELECT 1 FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(given -> field) = 'array' THEN given -> field ELSE '[]' END) e
         WHERE (e ~ '^[0-9]{1,18}$') IS NOT TRUE) THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON array of ids.');
    END IF;
    RETURN ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(given -> field) e);
END
$$;
COMMENT ON FUNCTION vibe._ids_field(jsonb, text) IS 'A field that is an array of ids, as numbers or strings; NULL where it is absent. Raises VB030.';

CREATE FUNCTION vibe._id_field(given jsonb, field text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN NULL;
    ELSIF (given ->> field ~ '^[0-9]{1,18}$') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use an id.');
    END IF;
    RETURN (given ->> field)::bigint;
END
$$;
COMMENT ON FUNCTION vibe._id_field(jsonb, text) IS 'A field that is an id, as a number or a string; NULL where it is absent. Raises VB030.';

-- Words that only one table knows.
CREATE FUNCTION vibe._check_task_status(argument text, status text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.task_statuses s WHERE s.status = _check_task_status.status) THEN
        PERFORM vibe._invalid_argument(argument, _check_task_status.status, 'Use ' || (
            SELECT string_agg(s.status, ', ' ORDER BY s.status) FROM vibe.task_statuses s) || '.');
    END IF;
    RETURN _check_task_status.status;
END
$$;
COMMENT ON FUNCTION vibe._check_task_status(text, text) IS 'Raises VB030 for a word that is no status of a task.';

CREATE FUNCTION vibe._check_priority(priority text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF vibe._priority_rank(priority) IS NULL THEN
        PERFORM vibe._invalid_argument('priority', priority, 'Use low, medium, high or urgent.');
    END IF;
    RETURN priority;
END
$$;
COMMENT ON FUNCTION vibe._check_priority(text) IS 'Raises VB030 for a word that is no priority.';

CREATE FUNCTION vibe._check_deliverables(deliverables jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(deliverables) NOT IN ('object', 'array') THEN
        PERFORM vibe._invalid_argument('deliverables', deliverables::text,
            'Use {"heroImage": true, …}, ["heroImage", …], or NULL for all that the pipeline offers.');
    END IF;
    RETURN deliverables;
END
$$;
COMMENT ON FUNCTION vibe._check_deliverables(jsonb) IS 'Raises VB030 for what is no list of deliverables.';

CREATE FUNCTION vibe._check_agents(agent_names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(coalesce(quote_literal(left(n, 200)), 'NULL'), ', ') INTO missing
      FROM unnest(agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('There is no agent %s.', missing),
            HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
    END IF;
    RETURN agent_names;
END
$$;
COMMENT ON FUNCTION vibe._check_agents(text[]) IS 'Raises VB004 for names that are no agents.';
