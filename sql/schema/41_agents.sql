-- Agents: as they are now, and what the verbs of 43_agent_verbs.sql check and write. What a user changes on an
-- agent that came with the extension goes into vibe.agent_overrides, on one of the user's own into its row;
-- callers need not know which.

CREATE TYPE vibe.agent_info AS (
    name text, level text, description text, default_model text, skill_path text, agent_file_path text,
    runner text, prompt_template text, max_parallel integer, heartbeat_schedule text, paused_at timestamptz,
    is_preset boolean);
COMMENT ON TYPE vibe.agent_info IS 'An agent, as functions return it.';

-- A runner is only a name here; what it executes stands in the runner file. The name is checked against that
-- file where the file can be read, so that a typing error shows at once and not at the first claim.
CREATE FUNCTION vibe._check_runner(runner text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known text[];
BEGIN
    BEGIN
        SELECT coalesce(array_agg(r.name ORDER BY r.name), '{}') INTO known FROM vibe.runners() r;
    EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
        known := NULL;
    END;
    IF runner !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' OR NOT (runner = ANY (known)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB040',
            MESSAGE = 'unknown runner',
            DETAIL = format('Given was %L; the runner file knows: %s.', left(runner, 200),
                            coalesce(array_to_string(known, ', '), 'nothing that can be read now')),
            HINT = 'Add a block of that name to the runner file (vibe_orchestrator.runner_config), or use one of its names.';
    END IF;
    RETURN runner;
END
$$;
COMMENT ON FUNCTION vibe._check_runner(text) IS 'Raises VB040 for a name that is no runner.';

CREATE VIEW vibe.current_agents AS
    SELECT a.name,
           coalesce(o.level, a.level) AS level,
           CASE WHEN 'description' = ANY (o.cleared) THEN NULL ELSE coalesce(o.description, a.description) END AS description,
           CASE WHEN 'default_model' = ANY (o.cleared) THEN NULL ELSE coalesce(o.default_model, a.default_model) END AS default_model,
           CASE WHEN 'skill_path' = ANY (o.cleared) THEN NULL ELSE coalesce(o.skill_path, a.skill_path) END AS skill_path,
           CASE WHEN 'agent_file_path' = ANY (o.cleared) THEN NULL ELSE coalesce(o.agent_file_path, a.agent_file_path) END AS agent_file_path,
           coalesce(o.runner, a.runner) AS runner,
           CASE WHEN 'prompt_template' = ANY (o.cleared) THEN NULL ELSE coalesce(o.prompt_template, a.prompt_template) END AS prompt_template,
           coalesce(o.paused_at, a.paused_at) AS paused_at,
           a.is_preset,
           CASE WHEN 'max_parallel' = ANY (o.cleared) THEN NULL ELSE coalesce(o.max_parallel, a.max_parallel) END AS max_parallel,
           CASE WHEN 'heartbeat_schedule' = ANY (o.cleared) THEN NULL ELSE coalesce(o.heartbeat_schedule, a.heartbeat_schedule) END AS heartbeat_schedule
      FROM vibe.agents a
      LEFT JOIN vibe.agent_overrides o ON o.agent_name = a.name;
COMMENT ON VIEW vibe.current_agents IS 'Agents as they are now: what came with the extension and what users changed on it.';

CREATE FUNCTION vibe._agent_info(name text)
    RETURNS SETOF vibe.agent_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.name, a.level, a.description, a.default_model, a.skill_path, a.agent_file_path, a.runner, a.prompt_template,
           a.max_parallel, a.heartbeat_schedule, a.paused_at, a.is_preset
      FROM vibe.current_agents a WHERE a.name = _agent_info.name;
END;
COMMENT ON FUNCTION vibe._agent_info(text) IS 'An agent as verbs return it.';

CREATE FUNCTION vibe._lock_agent(name text)
    RETURNS vibe.agents
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
BEGIN
    SELECT * INTO agent FROM vibe.agents a WHERE a.name = _lock_agent.name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('Given was %s.', coalesce(quote_literal(left(_lock_agent.name, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.list_agents() lists them; vibe.register_agent(name => …) adds one.';
    END IF;
    RETURN agent;
END
$$;
COMMENT ON FUNCTION vibe._lock_agent(text) IS 'The agent, locked FOR NO KEY UPDATE. Raises VB004.';

CREATE FUNCTION vibe._cron_number(word text, names text[], lowest integer)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN word ~ '^[0-9]{1,2}$' THEN word::integer ELSE array_position(names, lower(word)) - 1 + lowest END;
END;
COMMENT ON FUNCTION vibe._cron_number(text, text[], integer) IS 'One number of a cron field, also written as the name of a month or a day; NULL where it is none.';

CREATE FUNCTION vibe._is_cron_schedule(schedule text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    WITH rule(nth, lowest, highest, names) AS (
        VALUES (1, 0, 59, NULL::text[]), (2, 0, 23, NULL), (3, 1, 31, NULL),
               (4, 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'), (5, 0, 7, '{sun,mon,tue,wed,thu,fri,sat}')
    ), item AS (
        SELECT f.nth, r.lowest, r.highest, m.part, vibe._cron_number(m.part[1], r.names, r.lowest) AS first,
               vibe._cron_number(coalesce(m.part[2], m.part[1]), r.names, r.lowest) AS last
          FROM regexp_split_to_table(schedule, ' ') WITH ORDINALITY f(field, nth)
          LEFT JOIN rule r ON r.nth = f.nth
         CROSS JOIN regexp_split_to_table(f.field, ',') i(item)
          LEFT JOIN LATERAL regexp_match(i.item, '^(?:\*|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,2}))?$') m(part) ON true
    )
    SELECT max(nth) = 5 AND bool_and(coalesce(
               part IS NOT NULL
               AND (part[1] IS NULL OR (first BETWEEN lowest AND highest AND last BETWEEN first AND highest))
               AND (part[3] IS NULL OR (part[3]::integer > 0 AND (part[1] IS NULL OR part[2] IS NOT NULL))), false))
      FROM item;
END;
COMMENT ON FUNCTION vibe._is_cron_schedule(text) IS 'Whether a text is five cron fields with one space between them: lists, ranges, steps, names of months and days.';

-- Keys in camelCase are read as well. What is absent is left as it is; null clears.
CREATE FUNCTION vibe._agent_changes(changes jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    allowed CONSTANT text[] := '{level,description,default_model,skill_path,agent_file_path,runner,prompt_template,max_parallel,heartbeat_schedule}'::text[];
    given jsonb;
    wrong text;
BEGIN
    IF jsonb_typeof(changes) IS DISTINCT FROM 'object' THEN
        PERFORM vibe._invalid_argument('changes', changes::text, 'Use a JSON object, such as {"default_model": "opus"}.');
    END IF;
    SELECT coalesce(jsonb_object_agg(lower(regexp_replace(e.key, '([A-Z])', E'_\\1', 'g')), e.value), '{}') INTO given FROM jsonb_each(changes) e;
    SELECT string_agg(k, ', ' ORDER BY k) INTO wrong FROM jsonb_object_keys(given) k WHERE k <> ALL (allowed);
    IF wrong IS NOT NULL THEN
        PERFORM vibe._invalid_argument('changes', wrong, format('Use the fields %s.', array_to_string(allowed, ', ')));
    END IF;
    SELECT e.key INTO wrong FROM jsonb_each(given) e
     WHERE e.key <> 'max_parallel' AND jsonb_typeof(e.value) NOT IN ('string', 'null') ORDER BY e.key LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM vibe._invalid_argument(wrong, given ->> wrong, 'Use a text, or null to clear it.');
    END IF;
    given := given || CASE WHEN given ? 'heartbeat_schedule' THEN jsonb_build_object('heartbeat_schedule',
        regexp_replace(btrim(given ->> 'heartbeat_schedule', E' \t\n'), E'\\s+', ' ', 'g')) ELSE '{}' END;
    IF given ->> 'default_model' !~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('default_model', given ->> 'default_model',
            'Use 1 to 100 of A-Z a-z 0-9 . _ : @ / -, not beginning with "-".');
    ELSIF btrim(given ->> 'level') = '' THEN
        PERFORM vibe._invalid_argument('level', given ->> 'level', 'Use orchestrator, lead, specialist or a word of yours.');
    ELSIF given -> 'max_parallel' <> 'null' AND (vibe._whole_number(given -> 'max_parallel') BETWEEN 1 AND 100000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_parallel', given ->> 'max_parallel', 'Use 1 to 100000, or clear it for no limit of its own.');
    ELSIF NOT vibe._is_cron_schedule(given ->> 'heartbeat_schedule') THEN
        PERFORM vibe._invalid_argument('heartbeat_schedule', given ->> 'heartbeat_schedule',
            'Use five cron fields (minute, hour, day of month, month, day of week), such as */10 * * * *.');
    ELSIF given ->> 'runner' IS NOT NULL THEN
        PERFORM vibe._check_runner(given ->> 'runner');
    END IF;
    RETURN given;
END
$$;
COMMENT ON FUNCTION vibe._agent_changes(jsonb) IS 'Changes of an agent, checked, with snake_case keys. Raises VB030, VB040.';

-- Tables written: agents, or agent_overrides for an agent that came with the extension.
CREATE FUNCTION vibe._change_agent(agent vibe.agents, changes jsonb)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT agent.is_preset THEN
        UPDATE vibe.agents a
           SET (level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule) = (
               SELECT coalesce(n.level, 'specialist'), n.description, n.default_model, n.skill_path, n.agent_file_path,
                      coalesce(n.runner, 'default'), n.prompt_template, n.max_parallel, n.heartbeat_schedule
                 FROM jsonb_populate_record(a, changes) n)
         WHERE a.name = agent.name;
    ELSIF changes <> '{}' THEN
        INSERT INTO vibe.agent_overrides (agent_name) VALUES (agent.name) ON CONFLICT ON CONSTRAINT agent_overrides_pkey DO NOTHING;
        UPDATE vibe.agent_overrides o
           SET (level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule, cleared) = (
               SELECT n.level, n.description, n.default_model, n.skill_path, n.agent_file_path, n.runner, n.prompt_template,
                      n.max_parallel, n.heartbeat_schedule,
                      ARRAY(SELECT c FROM unnest(o.cleared) c WHERE NOT changes ? c
                            UNION SELECT e.key FROM jsonb_each(changes) e
                             WHERE e.value = 'null' AND e.key NOT IN ('level', 'runner') ORDER BY 1)
                 FROM jsonb_populate_record(o, changes) n)
         WHERE o.agent_name = agent.name;
    END IF;
    RETURN vibe._wake(false);
END
$$;
COMMENT ON FUNCTION vibe._change_agent(vibe.agents, jsonb) IS 'Writes checked changes to where this agent keeps them; the dispatcher looks again.';
