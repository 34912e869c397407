-- Chores: work that belongs to no task. A heartbeat runs an agent once, for whatever it looks after; a notifier's run
-- delivers what is due on one channel (64_delivery.sql). There is at most one of each name, waiting or under way, and
-- its run is claimed, supervised, adopted and finished as any other.
--
-- A chore's row stands where a task's row stands for a step: it is locked first, before any task. It is held until
-- the end of the run's process is recorded, so that no second one starts beside it.

CREATE FUNCTION vibe._lock_chore(run_id bigint)
    RETURNS vibe.chores
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chore vibe.chores;
BEGIN
    SELECT * INTO chore FROM vibe.chores c WHERE c.run_id = _lock_chore.run_id FOR UPDATE;
    RETURN chore;
END
$$;
COMMENT ON FUNCTION vibe._lock_chore(bigint) IS 'The chore that a run does, locked; all NULL where its agent was deleted meanwhile.';

CREATE FUNCTION vibe._lock_chores(skip_busy boolean)
    RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
BEGIN
    IF skip_busy THEN
        locked := ARRAY(SELECT c.run_id FROM vibe.chores c WHERE c.run_id IS NOT NULL ORDER BY c.name FOR UPDATE SKIP LOCKED);
    ELSE
        locked := ARRAY(SELECT c.run_id FROM vibe.chores c WHERE c.run_id IS NOT NULL ORDER BY c.name FOR UPDATE);
    END IF;
    RETURN locked || ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.task_id IS NULL
                              AND NOT EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id = r.id));
END
$$;
COMMENT ON FUNCTION vibe._lock_chores(boolean) IS 'Locks the chores that are under way and returns their runs, and the live runs whose chore is gone. skip_busy leaves those out that somebody has locked.';

-- A channel that has something to send for the first time.
CREATE FUNCTION vibe._note_channels(runners text[], free_slots integer[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    noted bigint;
BEGIN
    INSERT INTO vibe.chores (name, kind, channel, ready_at)
    SELECT 'notify ' || s.runner, 'notify', s.runner, at
      FROM unnest(runners, free_slots) s(runner, free)
     WHERE s.free > 0 AND vibe._has_due(s.runner, at)
       AND NOT EXISTS (SELECT 1 FROM vibe.chores c WHERE c.name = 'notify ' || s.runner)
     ORDER BY s.runner
    ON CONFLICT ON CONSTRAINT chores_pkey DO NOTHING;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END
$$;
COMMENT ON FUNCTION vibe._note_channels(text[], integer[], timestamptz) IS 'Makes the chore of each channel that has something due and none yet.';

-- Tables written: chores, runs, providers, deliveries. Locks: the due chores (SKIP LOCKED), the limits that are in
-- play (tried).
CREATE FUNCTION vibe._claim_chore(
    runners text[], free_slots integer[], providers text[], fallbacks text[], fallback_models text[], at timestamptz
)
    RETURNS TABLE (run_id bigint, runner text, run jsonb)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore record;
    token text;
    new_run vibe.runs;
    has_ceiling boolean := EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day');
BEGIN
    PERFORM vibe._note_channels(runners, free_slots, at);
    FOR chore IN
        SELECT c.name, c.kind, c.agent_name, c.channel, c.failures, a.default_model, used.name AS runner, used.provider,
               CASE c.kind WHEN 'heartbeat' THEN vibe._reserve(NULL, vibe._run_budget(c.agent_name), has_ceiling, NULL, NULL) ELSE 0 END AS reserve_usd
          FROM vibe.chores c
          LEFT JOIN vibe.current_agents a ON a.name = c.agent_name
          JOIN unnest(runners, providers, fallbacks) own(name, provider, fallback) ON own.name = coalesce(c.channel, a.runner)
          LEFT JOIN vibe.providers p ON p.name = own.provider
          JOIN unnest(runners, free_slots, providers) used(name, free, provider)
            ON used.name = CASE WHEN p.paused_until > at AND own.fallback IS NOT NULL THEN own.fallback ELSE own.name END
         WHERE c.run_id IS NULL AND c.ready_at <= at AND used.free > 0
           AND a.paused_at IS NULL AND (c.kind = 'heartbeat' OR vibe._has_due(c.channel, at))
           -- of an agent that was deleted and registered again
           AND NOT EXISTS (SELECT 1 FROM vibe.runs l WHERE l.ended_at IS NULL AND l.task_id IS NULL
                              AND l.agent_name = coalesce(c.agent_name, 'notify:' || c.channel))
         ORDER BY c.ready_at, c.name
           FOR UPDATE OF c SKIP LOCKED
    LOOP
        CONTINUE WHEN cardinality(vibe._within_limits(
            ARRAY[(NULL, '', 0, chore.agent_name, chore.runner, chore.provider, chore.reserve_usd)::vibe._candidate], at)) = 0;
        CONTINUE WHEN chore.kind = 'notify' AND vibe._drop_late(chore.channel, at) = 0;
        token := vibe._new_token();
        INSERT INTO vibe.runs AS r (kind, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                    reserved_usd, token_hash, claimed_at, session_id)
        VALUES (chore.kind, 0, 0, least(chore.failures + 1, 30000), 0, coalesce(chore.agent_name, 'notify:' || chore.channel),
                chore.default_model, chore.runner, chore.provider, 'dispatcher',
                nullif(chore.reserve_usd, 0), vibe._token_hash(token), at, gen_random_uuid())
        RETURNING r.* INTO STRICT new_run;
        UPDATE vibe.chores c SET run_id = new_run.id WHERE c.name = chore.name;
        UPDATE vibe.providers p SET probed_at = at
         WHERE p.name = chore.provider AND p.paused_until <= at AND p.probed_at IS NULL;
        PERFORM vibe._take_batch(chore.channel, new_run.id, at) WHERE chore.kind = 'notify';
        RETURN QUERY SELECT new_run.id, chore.runner, vibe._launch_chore(vibe._take_fallback_model(new_run, runners, fallback_models), token);
        RETURN;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._claim_chore(text[], integer[], text[], text[], text[], timestamptz) IS 'Takes one chore that is due, whose runner has a free slot and whose agent and provider have room; the arguments are those of _claim_runs().';

CREATE FUNCTION vibe.default_heartbeat_template()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $template$You are {agent}. {agent_description}
Skill folder: {skill_path}

This is a heartbeat: you were started on schedule or on request, without a task. Do what your skill says is to be
done regularly, and stop when nothing is left.
Note for this run: {note}

Report as your runner's contract says: exit status 0 and a result when you are done.
$template$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe.default_heartbeat_template() IS 'The prompt of a heartbeat; {fields} are filled in as text.';

CREATE FUNCTION vibe._launch_chore(run vibe.runs, token text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore vibe.chores;
    agent vibe.current_agents;
    launch jsonb;
    messages jsonb;
BEGIN
    SELECT * INTO chore FROM vibe.chores c WHERE c.run_id = run.id;
    SELECT * INTO agent FROM vibe.current_agents a WHERE a.name = chore.agent_name;
    launch := jsonb_build_object('contract', 1, 'kind', run.kind, 'run_id', run.id::text, 'branch', '', 'step', 0,
        'attempt', run.attempt, 'agent', run.agent_name, 'model', run.model, 'skill_path', agent.skill_path, 'token', token,
        'session', run.session_id, 'budget_usd', run.reserved_usd, 'note', chore.note, 'inputs', '[]'::jsonb,
        'traceparent', vibe._traceparent(0, run.id, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())));
    IF run.kind = 'notify' THEN
        messages := vibe._messages(chore.channel, run.id);
        RETURN launch || jsonb_build_object('channel', chore.channel, 'messages', messages,
            'prompt', (SELECT string_agg(m.value ->> 'text', E'\n\n' ORDER BY m.n) FROM jsonb_array_elements(messages) WITH ORDINALITY m(value, n)));
    END IF;
    RETURN launch || jsonb_build_object('prompt', vibe._render_prompt(vibe.default_heartbeat_template(), jsonb_build_object(
        'agent', run.agent_name, 'agent_description', coalesce(agent.description, ''), 'skill_path', agent.skill_path, 'note', chore.note)));
END
$$;
COMMENT ON FUNCTION vibe._launch_chore(vibe.runs, text) IS 'What the supervisor and the agent, or the notifier, of a chore''s run are told, as one JSON object.';

-- Tables written: chores, deliveries, activities, notifications. The run is closed, and the chore locked by the caller.
CREATE FUNCTION vibe._end_chore(run vibe.runs, record jsonb, waits_for_provider boolean, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.kind = 'notify' THEN
        PERFORM vibe._settle_batch(run, record, at);
    ELSIF waits_for_provider THEN
        UPDATE vibe.chores c SET run_id = NULL WHERE c.run_id = run.id;
    ELSE
        DELETE FROM vibe.chores c WHERE c.run_id = run.id;
        IF run.outcome NOT IN ('done', 'cancelled') THEN
            PERFORM vibe._record('heartbeat_failed', format('The heartbeat of agent "%s" ended as %s: %s', run.agent_name, run.outcome,
                    coalesce(left(run.error, 1000), 'no message')),
                jsonb_build_object('agent_name', run.agent_name, 'run_id', run.id, 'outcome', run.outcome), NULL, NULL);
        END IF;
    END IF;
    RETURN run.outcome;
END
$$;
COMMENT ON FUNCTION vibe._end_chore(vibe.runs, jsonb, boolean, timestamptz) IS 'What follows the end of a chore''s run: a heartbeat is over however it ended, unless its provider is to be waited for; a notifier''s messages are sent, or are to be sent again.';

-- Tables written: runs, chores, deliveries, providers, activities, notifications. Locks, in order: the chore, the
-- provider.
CREATE FUNCTION vibe._finish_chore(run_id bigint, record jsonb, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    outcome text := record ->> 'outcome';
    error text := left(record ->> 'error', 4000);
    waits boolean := false;
BEGIN
    PERFORM vibe._lock_chore(_finish_chore.run_id);
    SELECT * INTO STRICT run FROM vibe.runs r WHERE r.id = _finish_chore.run_id;
    IF run.ended_at IS NOT NULL THEN
        RETURN run.outcome = 'done';
    END IF;
    IF run.closed_at IS NULL THEN
        waits := vibe._is_the_providers(run, outcome, record);
        IF waits THEN
            PERFORM vibe._pause_after(run, outcome, vibe._reset_time(record, at), error, at);
        ELSIF outcome = 'done' THEN
            PERFORM vibe._providers_work(ARRAY[run.id]);
        END IF;
        IF run.kind = 'heartbeat' AND outcome IN ('killed', 'exec_error', 'lost') THEN
            PERFORM vibe._notify('agent_crashed', format('The heartbeat of agent "%s": %s, %s', run.agent_name, outcome,
                    coalesce(left(error, 1000), 'no message')),
                jsonb_build_object('agent_name', run.agent_name, 'outcome', outcome),
                run_id => run.id, dedup_key => format('agent_crashed %s %s', outcome, run.agent_name));
        END IF;
    END IF;
    SELECT * INTO STRICT run FROM vibe._end_runs(ARRAY[(run.id, outcome, error, NULL, record #>> '{result,summary}',
        CASE WHEN jsonb_typeof(record #> '{result,output}') = 'object' THEN record #> '{result,output}' END, NULL, NULL, NULL, NULL, record)::vibe._run_end], at);
    PERFORM vibe._end_chore(run, record, waits, at);
    PERFORM vibe._wake(true);
    RETURN run.outcome = 'done';
END
$$;
COMMENT ON FUNCTION vibe._finish_chore(bigint, jsonb, timestamptz) IS 'The end of a chore''s run, as _finish_run() tells it.';

-- Tables written: chores, deliveries. What a person cancelled before its start is over; what was paused is due again.
CREATE FUNCTION vibe._unclaim_chores(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    freed bigint;
BEGIN
    UPDATE vibe.deliveries d SET attempts = d.attempts - 1, run_id = NULL
     WHERE d.state = 'pending' AND d.run_id IN (SELECT r.id FROM vibe.runs r WHERE r.id = ANY (run_ids) AND r.kind = 'notify');
    DELETE FROM vibe.chores c USING vibe.runs r
     WHERE r.id = ANY (run_ids) AND c.run_id = r.id AND r.kind = 'heartbeat' AND r.closed_at IS NOT NULL;
    UPDATE vibe.chores c SET run_id = NULL WHERE c.run_id = ANY (run_ids);
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;
COMMENT ON FUNCTION vibe._unclaim_chores(bigint[]) IS 'Puts chores back whose runs were never started, without using up an attempt of a message. Called before those runs are closed.';

-- Tables written: chores, home.
CREATE FUNCTION vibe.request_heartbeat(name text, note text DEFAULT NULL)
    RETURNS TABLE (requested boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = request_heartbeat.name) THEN
        PERFORM vibe._agent_not_found(request_heartbeat.name);
    ELSIF length(request_heartbeat.note) > 10000 THEN
        PERFORM vibe._invalid_argument('note', left(request_heartbeat.note, 100), 'Use at most 10000 characters.');
    END IF;
    INSERT INTO vibe.chores (name, kind, agent_name, ready_at, note)
    VALUES ('heartbeat ' || request_heartbeat.name, 'heartbeat', request_heartbeat.name, at, request_heartbeat.note)
    ON CONFLICT ON CONSTRAINT chores_pkey DO NOTHING;
    requested := FOUND;
    IF requested THEN
        PERFORM vibe._note_home();
        PERFORM vibe._wake(false);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.request_heartbeat(text, text) IS 'Runs an agent once without a task, as its schedule does; the note reaches its prompt. It starts when its agent is not paused and its runner, agent and provider have room. requested is false if a heartbeat of it waits or is under way already. Raises VB004 (agent), VB022, VB030 (note).';
