-- What agents are doing. Reads only; the status is derived from what runs, from pauses and from the runner file.

CREATE FUNCTION vibe._usable_runners()
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Behind a prefix the program may stand where only another user, or another machine, sees it.
    RETURN ARRAY(SELECT r.name FROM vibe.runners() r WHERE r.problem IS NULL AND (r.executable OR r.prefix IS NOT NULL));
EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
    RETURN '{}'::text[];
END
$$;
COMMENT ON FUNCTION vibe._usable_runners() IS 'Names of the runners that could start something now; none where the runner file cannot be read.';

CREATE TYPE vibe.agent_state AS (
    name text, status text, level text, description text, default_model text, runner text, skill_path text,
    agent_file_path text, prompt_template text, max_parallel integer, heartbeat_schedule text, skills text[],
    is_preset boolean, paused_at timestamptz, open_runs bigint, current_task_id bigint, current_task text,
    tasks_completed bigint, average_quality numeric, last_active_at timestamptz, seen_at timestamptz);
COMMENT ON TYPE vibe.agent_state IS 'An agent with what it is doing and has done, as functions return it.';

CREATE FUNCTION vibe._agent_states(only_name text)
    RETURNS SETOF vibe.agent_state
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH usable AS MATERIALIZED (
        SELECT vibe._usable_runners() AS names, vibe.clock() AS at
    ), live AS MATERIALIZED (
        SELECT r.agent_name, count(*) AS open_runs, min(r.id) AS first_run FROM vibe.runs r
         WHERE r.ended_at IS NULL AND r.closed_at IS NULL GROUP BY r.agent_name
    )
    SELECT a.name,
           CASE WHEN live.open_runs > 0 THEN 'active'
                WHEN a.paused_at IS NOT NULL
                     OR (a.runner <> ALL (usable.names) AND (h.seen_at > usable.at - interval '5 minutes') IS NOT TRUE) THEN 'offline'
                -- In the order of the index, so that it stays a probe: EXISTS may be answered by reading all that waits.
                WHEN (SELECT w.task_id FROM vibe.work w WHERE w.agent_name = a.name AND w.waiting_for = 'person' ORDER BY w.task_id LIMIT 1) IS NOT NULL THEN 'blocked'
                ELSE 'idle' END,
           a.level, a.description, a.default_model, a.runner, a.skill_path, a.agent_file_path, a.prompt_template,
           a.max_parallel, a.heartbeat_schedule,
           ARRAY(SELECT x.skill_slug FROM vibe.agent_skills x WHERE x.agent_name = a.name ORDER BY x.position),
           a.is_preset, a.paused_at, coalesce(live.open_runs, 0), t.id, t.title, coalesce(done.tasks, 0), round(done.average_score, 1),
           greatest(last.active_at, h.seen_at), h.seen_at
      FROM vibe.current_agents a
     CROSS JOIN usable
      LEFT JOIN live ON live.agent_name = a.name
      LEFT JOIN vibe.runs r ON r.id = live.first_run
      LEFT JOIN vibe.tasks t ON t.id = r.task_id
      LEFT JOIN vibe.agent_heartbeats h ON h.agent_name = a.name
      -- By the event, of which there is an index for each agent and none for all: that one would be read from its end.
      LEFT JOIN LATERAL (SELECT coalesce(l.ended_at, l.closed_at, l.claimed_at) AS active_at FROM vibe.runs l
                          WHERE l.agent_name = a.name ORDER BY l.claim_event DESC LIMIT 1) last ON true
      LEFT JOIN vibe._agent_results() done ON done.agent_name = a.name
     WHERE only_name IS NULL OR a.name = only_name
     ORDER BY a.name;
END;
COMMENT ON FUNCTION vibe._agent_states(text) IS 'One agent, or all with NULL, with their derived status.';

CREATE FUNCTION vibe.list_agents(status text DEFAULT NULL)
    RETURNS SETOF vibe.agent_state
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF list_agents.status NOT IN ('idle', 'active', 'blocked', 'offline') THEN
        PERFORM vibe._invalid_argument('status', list_agents.status, 'Use idle, active, blocked, offline, or NULL for all.');
    END IF;
    RETURN QUERY SELECT * FROM vibe._agent_states(NULL) a WHERE list_agents.status IS NULL OR a.status = list_agents.status;
END
$$;
COMMENT ON FUNCTION vibe.list_agents(text) IS 'Agents, all or those of a status: active (holds an open run), else offline (paused, or its runner cannot start anything and no agent_heartbeat() came for 5 minutes), else blocked (some work of it waits for a person), else idle. With skills, the task it has been at for longest, tasks it did a step of that no revision replaced, deleted ones included, the average score (0 to 100) of these, and when it was last seen at work. Raises VB030.';

CREATE FUNCTION vibe.get_agent(name text)
    RETURNS SETOF vibe.agent_state
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.* FROM vibe._agent_states(get_agent.name) a WHERE get_agent.name IS NOT NULL;
END;
COMMENT ON FUNCTION vibe.get_agent(text) IS 'One agent as list_agents() shows it, or no row.';
