-- Verbs that set agents up. None of them touches work. What they return has a type of its own, so that a new
-- column of a table changes no caller.

CREATE TYPE vibe.agent_info AS (
    name text, level text, description text, default_model text, skill_path text, agent_file_path text,
    runner text, prompt_template text);
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
           coalesce(o.description, a.description) AS description,
           coalesce(o.default_model, a.default_model) AS default_model,
           coalesce(o.skill_path, a.skill_path) AS skill_path,
           coalesce(o.agent_file_path, a.agent_file_path) AS agent_file_path,
           coalesce(o.runner, a.runner) AS runner,
           coalesce(o.prompt_template, a.prompt_template) AS prompt_template,
           coalesce(o.paused_at, a.paused_at) AS paused_at,
           a.is_preset
      FROM vibe.agents a
      LEFT JOIN vibe.agent_overrides o ON o.agent_name = a.name;
COMMENT ON VIEW vibe.current_agents IS 'Agents as they are now: what came with the extension and what users changed on it.';

CREATE FUNCTION vibe.register_agent(
    name text, runner text DEFAULT NULL, default_model text DEFAULT NULL, description text DEFAULT NULL,
    level text DEFAULT NULL, skill_path text DEFAULT NULL, agent_file_path text DEFAULT NULL,
    prompt_template text DEFAULT NULL
)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    given vibe.agent_overrides := (register_agent.name, register_agent.level, register_agent.description,
        register_agent.default_model, register_agent.skill_path, register_agent.agent_file_path,
        register_agent.runner, register_agent.prompt_template, NULL);
BEGIN
    IF given.agent_name IS NULL OR given.agent_name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('name', given.agent_name, 'Use 1 to 100 letters, digits, ".", "_" and "-".');
    ELSIF given.default_model !~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('default_model', given.default_model,
            'Use 1 to 100 of A-Z a-z 0-9 . _ : @ / -, not beginning with "-".');
    END IF;
    IF given.runner IS NOT NULL THEN
        PERFORM vibe._check_runner(given.runner);
    END IF;
    INSERT INTO vibe.agents AS a (name, level, description, default_model, skill_path, agent_file_path, runner, prompt_template, created_at)
    VALUES (given.agent_name, coalesce(given.level, 'specialist'), given.description, given.default_model,
            given.skill_path, given.agent_file_path, coalesce(given.runner, 'default'), given.prompt_template, at)
    ON CONFLICT ON CONSTRAINT agents_pkey DO UPDATE SET
        level = coalesce(given.level, a.level), description = coalesce(given.description, a.description),
        default_model = coalesce(given.default_model, a.default_model),
        skill_path = coalesce(given.skill_path, a.skill_path),
        agent_file_path = coalesce(given.agent_file_path, a.agent_file_path),
        runner = coalesce(given.runner, a.runner),
        prompt_template = coalesce(given.prompt_template, a.prompt_template)
    WHERE NOT a.is_preset;
    IF NOT FOUND THEN
        INSERT INTO vibe.agent_overrides AS o
        SELECT given.*
        ON CONFLICT ON CONSTRAINT agent_overrides_pkey DO UPDATE SET
            level = coalesce(given.level, o.level), description = coalesce(given.description, o.description),
            default_model = coalesce(given.default_model, o.default_model),
            skill_path = coalesce(given.skill_path, o.skill_path),
            agent_file_path = coalesce(given.agent_file_path, o.agent_file_path),
            runner = coalesce(given.runner, o.runner),
            prompt_template = coalesce(given.prompt_template, o.prompt_template);
    END IF;
    PERFORM vibe._wake(false);
    RETURN QUERY
        SELECT a.name, a.level, a.description, a.default_model, a.skill_path, a.agent_file_path, a.runner, a.prompt_template
          FROM vibe.current_agents a WHERE a.name = given.agent_name;
END
$$;
COMMENT ON FUNCTION vibe.register_agent(text, text, text, text, text, text, text, text) IS 'Inserts an agent, or changes the given fields of one. runner names a block of the runner file, "default" where nothing is given. Raises VB030 (invalid argument), VB040 (unknown runner).';
