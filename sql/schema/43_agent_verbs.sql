-- Verbs that set agents up. None of them touches work: a pause is one row, which the claim reads.

CREATE FUNCTION vibe.register_agent(
    name text, runner text DEFAULT NULL, default_model text DEFAULT NULL, description text DEFAULT NULL,
    level text DEFAULT NULL, skill_path text DEFAULT NULL, agent_file_path text DEFAULT NULL,
    prompt_template text DEFAULT NULL, max_parallel integer DEFAULT NULL, heartbeat_schedule text DEFAULT NULL
)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    changes jsonb;
BEGIN
    IF register_agent.name IS NULL OR register_agent.name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('name', register_agent.name, 'Use 1 to 100 letters, digits, ".", "_" and "-".');
    END IF;
    changes := vibe._agent_changes(jsonb_strip_nulls(jsonb_build_object(
        'level', register_agent.level, 'description', register_agent.description,
        'default_model', register_agent.default_model, 'skill_path', register_agent.skill_path,
        'agent_file_path', register_agent.agent_file_path, 'runner', register_agent.runner,
        'prompt_template', register_agent.prompt_template, 'max_parallel', register_agent.max_parallel,
        'heartbeat_schedule', register_agent.heartbeat_schedule)));
    INSERT INTO vibe.agents (name, created_at) VALUES (register_agent.name, at) ON CONFLICT ON CONSTRAINT agents_pkey DO NOTHING;
    PERFORM vibe._change_agent(vibe._lock_agent(register_agent.name), changes);
    RETURN QUERY SELECT * FROM vibe._agent_info(register_agent.name);
END
$$;
COMMENT ON FUNCTION vibe.register_agent(text, text, text, text, text, text, text, text, integer, text) IS 'Inserts an agent, or changes the given fields of one; NULL leaves a field as it is (update_agent() clears one). runner names a block of the runner file, "default" where nothing is given. max_parallel: most runs at a time, 1 to 100000. heartbeat_schedule: five cron fields. Locks the agent row. Raises VB022, VB030 (invalid argument), VB040 (unknown runner).';

CREATE FUNCTION vibe.update_agent(name text, changes jsonb)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._change_agent(vibe._lock_agent(update_agent.name), vibe._agent_changes(update_agent.changes));
    RETURN QUERY SELECT * FROM vibe._agent_info(update_agent.name);
END
$$;
COMMENT ON FUNCTION vibe.update_agent(text, jsonb) IS 'Changes the fields that are named in changes, such as {"default_model": "opus", "heartbeat_schedule": null}: level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule. null clears a field, also one that came with the extension; level and runner go back to what they were at first. Locks the agent row. Raises VB004, VB022, VB030 (unknown field, invalid value), VB040 (unknown runner).';

CREATE FUNCTION vibe.reset_agent(name text)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(reset_agent.name);
    IF NOT agent.is_preset THEN
        PERFORM vibe._invalid_argument('name', agent.name, 'Only an agent that came with the extension has values to go back to; vibe.update_agent(name, changes) changes this one.');
    END IF;
    DELETE FROM vibe.agent_overrides o WHERE o.agent_name = agent.name;
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT * FROM vibe._agent_info(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.reset_agent(text) IS 'Takes back all that was changed on an agent that came with the extension, a pause too; its skills stay. Locks the agent row. Raises VB004, VB022, VB030 (an agent of your own).';

CREATE FUNCTION vibe.set_agent_paused(name text, paused boolean)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    agent vibe.agents;
    since timestamptz;
BEGIN
    IF set_agent_paused.paused IS NULL THEN
        PERFORM vibe._invalid_argument('paused', NULL, 'Use true or false.');
    END IF;
    agent := vibe._lock_agent(set_agent_paused.name);
    SELECT c.paused_at INTO since FROM vibe.current_agents c WHERE c.name = agent.name;
    IF (since IS NOT NULL) <> set_agent_paused.paused THEN
        since := CASE WHEN set_agent_paused.paused THEN at END;
        IF agent.is_preset THEN
            INSERT INTO vibe.agent_overrides (agent_name, paused_at) VALUES (agent.name, since)
            ON CONFLICT ON CONSTRAINT agent_overrides_pkey DO UPDATE SET paused_at = EXCLUDED.paused_at;
        ELSE
            UPDATE vibe.agents a SET paused_at = since WHERE a.name = agent.name;
        END IF;
        PERFORM vibe._record(CASE WHEN set_agent_paused.paused THEN 'agent_paused' ELSE 'agent_resumed' END,
            format('Agent "%s" was %s', agent.name, CASE WHEN set_agent_paused.paused THEN 'paused' ELSE 'resumed' END),
            jsonb_build_object('agent', agent.name), NULL, NULL);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT * FROM vibe._agent_info(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.set_agent_paused(text, boolean) IS 'true: no claim that begins after the commit takes work for the agent; what runs goes on. false: its work can be claimed again. Repeated it changes nothing. Locks the agent row. Raises VB004, VB022, VB030.';

CREATE FUNCTION vibe.agent_heartbeat(name text)
    RETURNS TABLE (agent_name text, seen_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    -- Whatever the number of calls, one write in ten seconds.
    RETURN QUERY SELECT h.agent_name, h.seen_at FROM vibe.agent_heartbeats h
                  WHERE h.agent_name = agent_heartbeat.name AND h.seen_at > at - interval '10 seconds' AND h.seen_at <= at;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = agent_heartbeat.name) THEN
            PERFORM vibe._lock_agent(agent_heartbeat.name);
        END IF;
        RETURN QUERY
            INSERT INTO vibe.agent_heartbeats AS h (agent_name, seen_at) VALUES (agent_heartbeat.name, at)
            ON CONFLICT ON CONSTRAINT agent_heartbeats_pkey DO UPDATE SET seen_at = EXCLUDED.seen_at
            RETURNING h.agent_name, h.seen_at;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.agent_heartbeat(text) IS 'An agent that is started elsewhere says that it lives: for 5 minutes list_agents() does not call it offline for want of a runner. Noted at most once in 10 seconds; seen_at is what is noted. Locks the agent''s heartbeat row. Raises VB004, VB022.';

-- Locks: the agent row FOR UPDATE, so that no new step can name it meanwhile.
CREATE FUNCTION vibe.delete_agent(name text)
    RETURNS TABLE (agent_name text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
    users text;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(delete_agent.name);
    PERFORM 1 FROM vibe.agents a WHERE a.name = agent.name FOR UPDATE;
    SELECT 'pipelines ' || string_agg(DISTINCT p.slug, ', ') INTO users
      FROM vibe.pipeline_steps s
      JOIN vibe.pipeline_versions v ON v.id = s.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
     WHERE s.agent_name = agent.name;
    IF users IS NULL AND EXISTS (SELECT 1 FROM vibe.runs r WHERE r.agent_name = agent.name) THEN
        users := 'runs of the past';
    END IF;
    IF agent.is_preset OR users IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = 'the agent cannot be deleted',
            DETAIL = format('Agent "%s" %s.', agent.name, CASE WHEN agent.is_preset THEN 'came with the extension' ELSE 'is named by ' || users END),
            HINT = format('SELECT * FROM vibe.set_agent_paused(name => %L, paused => true) keeps it from being started.', agent.name);
    END IF;
    RETURN QUERY DELETE FROM vibe.agents a WHERE a.name = agent.name RETURNING a.name;
END
$$;
COMMENT ON FUNCTION vibe.delete_agent(text) IS 'Deletes an agent that no version of a pipeline names and that never ran; also its list of skills. Locks the agent row. Raises VB004, VB022, VB033 (in use, or came with the extension).';
