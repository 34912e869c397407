\echo Use "ALTER EXTENSION vibe_orchestrator UPDATE" to load this file. \quit

-- A notification that a ceiling was reached says the call that raises it.
CREATE OR REPLACE FUNCTION vibe._next_call(notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN notification.kind = 'approval_needed' AND notification.task_id IS NULL THEN
            'SELECT * FROM vibe.queue WHERE waits_for = ''approval'';'
        WHEN notification.kind = 'approval_needed' THEN
            format('SELECT * FROM vibe.approve_step(task_id => %s%s%s);', notification.task_id, ', run_id => ' || notification.run_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'provider_paused' AND notification.detail ->> 'until' = 'infinity' THEN
            format('SELECT * FROM vibe.resume_provider(%L);', notification.detail ->> 'provider')
        WHEN notification.kind = 'budget_reached' AND notification.campaign_id IS NOT NULL AND notification.task_id IS NULL THEN
            format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', notification.campaign_id)
        WHEN notification.kind = 'budget_reached' AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', notification.task_id)
        WHEN notification.kind IN ('task_blocked', 'agent_crashed') AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.why(task_id => %s%s);', notification.task_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'backlog_low' AND notification.campaign_id IS NOT NULL THEN
            format('SELECT * FROM vibe.generate_tasks(campaign_id => %s, how_many => …);', notification.campaign_id)
    END;
END;

-- A runner names the model that its fallback is told in place of the step's.
DROP FUNCTION vibe.runners();
DROP FUNCTION vibe._claim_runs(text[], integer[], integer, text[], text[]);
DROP FUNCTION vibe._claim_chore(text[], integer[], text[], text[], timestamptz);
DROP FUNCTION vibe._runner_to_explain(vibe.runs);

CREATE FUNCTION vibe.runners()
    RETURNS TABLE (name text, kind text, program text, executable boolean, prefix text, max_parallel integer,
                   provider text, fallback text, problem text, found boolean, os_user text, fallback_model text)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_runners';
COMMENT ON FUNCTION vibe.runners() IS 'The runners of the runner file as it is now; found and executable tell about its program (NULL: the servers user cannot see), os_user whose processes its agents are (NULL: the prefix does not say); fallback stands in while the provider is paused, with fallback_model instead of the step''s where there is one; problem says all that keeps one from being used or will make its runs fail. Raises VB041 (the file cannot be used, and why), VB050 (library not preloaded).';

CREATE FUNCTION vibe._take_fallback_model(run vibe.runs, runners text[], fallback_models text[])
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    fallback_model text;
BEGIN
    -- Most runner files have none, and this is asked of every run.
    IF array_remove(fallback_models, NULL) <> '{}' THEN
        SELECT f.model INTO fallback_model
          FROM vibe.current_agents a JOIN unnest(runners, fallback_models) f(runner, model) ON f.runner = a.runner
         WHERE a.name = run.agent_name AND a.runner <> run.runner;
    END IF;
    IF fallback_model IS NOT NULL THEN
        UPDATE vibe.runs r SET model = fallback_model WHERE r.id = run.id RETURNING r.* INTO STRICT run;
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._take_fallback_model(vibe.runs, text[], text[]) IS 'The run, with the model that its agent''s runner names for a stand-in where one stands in.';

CREATE FUNCTION vibe._claim_runs(
    runners text[], free_slots integer[], max_runs integer, providers text[] DEFAULT NULL, fallbacks text[] DEFAULT NULL,
    fallback_models text[] DEFAULT NULL
)
    RETURNS TABLE (run_id bigint, runner text, run jsonb, more boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    ceilings vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    item record;
    token text;
    new_run vibe.runs;
BEGIN
    -- Whoever claims must know that this is the data's home, also in the middle of a restore.
    IF NOT vibe._is_home() OR vibe._is_draining() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT c.run_id, c.runner, c.run, true FROM vibe._claim_chore(runners, free_slots, providers, fallbacks, fallback_models, at) c;
    IF FOUND THEN
        RETURN;
    END IF;
    ceilings := vibe._ceilings_in_play(at);
    chosen := vibe._choose(vibe._able_agents(runners, free_slots, providers, fallbacks, NULL, max_runs, at), ceilings, max_runs, 0);
    PERFORM vibe._note_crossings(ceilings, runners, providers, at);
    within := vibe._within_limits(chosen, at);
    more := cardinality(within) < cardinality(chosen);
    FOR item IN SELECT * FROM vibe._take(within, max_runs) LOOP
        token := vibe._new_token();
        new_run := vibe._open_run(item.taken, item.runner, item.provider, item.reserve_usd, token, at);
        run_id := new_run.id;
        runner := item.runner;
        run := vibe._launch(vibe._take_fallback_model(new_run, runners, fallback_models), token);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._claim_runs(text[], integer[], integer, text[], text[], text[]) IS 'Takes up to max_runs ready steps, at most free_slots[i] for runners[i], whose provider, whose stand-in while that is paused and the model of which are providers[i], fallbacks[i] and fallback_models[i]. After the commit these runs are launching. A chore that is due goes first, and alone. more: another call may find others.';

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

CREATE FUNCTION vibe._runner_to_explain(run vibe.runs, OUT runner text, OUT provider text, OUT model text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    fallback text;
    fallback_model text;
BEGIN
    model := run.model;
    runner := coalesce(run.runner, (SELECT a.runner FROM vibe.current_agents a WHERE a.name = run.agent_name));
    SELECT f.fallback, f.fallback_model INTO fallback, fallback_model
      FROM vibe.runners() f LEFT JOIN vibe.providers p ON p.name = f.provider
     WHERE f.name = _runner_to_explain.runner AND run.runner IS NULL AND f.fallback IS NOT NULL AND p.paused_until > vibe.clock();
    runner := coalesce(fallback, runner);
    model := coalesce(fallback_model, model);
    provider := (SELECT f.provider FROM vibe.runners() f WHERE f.name = _runner_to_explain.runner);
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    provider := run.provider;
END
$$;
COMMENT ON FUNCTION vibe._runner_to_explain(vibe.runs) IS 'The runner that a run has or would get, its stand-in while its provider is paused, the provider, and the model.';

CREATE OR REPLACE FUNCTION vibe.explain_run(task_id bigint, branch text DEFAULT '')
    RETURNS TABLE (step integer, agent text, runner text, provider text, os_user text, argv text[], environment text[],
                   cwd text, limits jsonb, prompt text, problem text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    run vibe.runs;
    told jsonb;
    launch jsonb;
    passed text[];
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = explain_run.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(explain_run.task_id);
    END IF;
    run := vibe._run_to_explain(task, explain_run.branch);
    step := run.step;
    agent := run.agent_name;
    SELECT r.runner, r.provider, r.model INTO runner, provider, run.model FROM vibe._runner_to_explain(run) r;
    told := vibe._launch(run, NULL);
    prompt := told ->> 'prompt';
    SELECT l.record::jsonb -> 'runner', l.workspace, l.passed, l.problem INTO launch, cwd, passed, problem
      FROM vibe._explain_launch(told::text, runner) l;
    IF launch IS NOT NULL THEN
        os_user := (SELECT r.os_user FROM vibe.runners() r WHERE r.name = explain_run.runner);
        argv := ARRAY(SELECT jsonb_array_elements_text(launch -> 'argv'));
        limits := launch -> 'limits' || jsonb_strip_nulls(jsonb_build_object('timeout', told -> 'timeout_s'));
        environment := ARRAY(SELECT n FROM unnest(vibe._agent_variables()) n
                             UNION SELECT unnest(passed)
                             UNION SELECT jsonb_object_keys(launch -> 'env')
                             UNION SELECT s ->> 'name' FROM jsonb_array_elements(launch -> 'secret_env') s
                             ORDER BY 1);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.explain_run(bigint, text) IS 'What the run that a task''s branch has, or would get next, is started with: the exact command line, the names of its environment variables (no values), working directory (NULL: the prefix does not tell whose), limits (seconds and bytes), prompt, runner (while its provider is paused its fallback, with the fallback''s model) and provider. Starts nothing, and also answers while nothing may start; problem says what keeps the runner from being used. A session that is chosen at the start is shown as zeros. Raises VB003, VB007 (no such branch, or no agent on it any more), VB050.';

REVOKE ALL ON FUNCTION vibe.runners, vibe._take_fallback_model, vibe._claim_runs, vibe._claim_chore, vibe._runner_to_explain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe.runners, vibe._runner_to_explain TO vibe_viewer;
