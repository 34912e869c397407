-- What a run would be started with, made by the functions that start runs and starting nothing.

CREATE FUNCTION vibe._explain_launch(run text, runner text, OUT record text, OUT workspace text, OUT passed text[], OUT problem text)
    LANGUAGE c
    VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'vibe_explain_launch';
COMMENT ON FUNCTION vibe._explain_launch(text, text) IS 'The launch record of a run (JSON as _launch makes it) with a runner of the runner file, where its agent works, which variables of the server it is passed, and what keeps it from being started. Raises VB050.';

-- The step that a branch is at: what its work row says, else the step of its last run, else its first one. A step
-- without an agent starts nothing: then the next one that has one.
CREATE FUNCTION vibe._step_to_explain(task vibe.tasks, branch text)
    RETURNS vibe.pipeline_steps
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at_step integer := coalesce(
        (SELECT w.step FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _step_to_explain.branch),
        (SELECT r.step FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = _step_to_explain.branch ORDER BY r.id DESC LIMIT 1), 0);
    found_step vibe.pipeline_steps;
BEGIN
    SELECT * INTO found_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = _step_to_explain.branch
       AND s.step >= at_step AND s.agent_name IS NOT NULL
     ORDER BY s.step LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB007',
            MESSAGE = 'step or branch not found',
            DETAIL = format('Task %s has no step with an agent on branch "%s" from step %s on.', task.id, _step_to_explain.branch, at_step),
            HINT = 'Branches are in vibe.pipeline_steps; '''' is the main line.';
    END IF;
    RETURN found_step;
END
$$;
COMMENT ON FUNCTION vibe._step_to_explain(vibe.tasks, text) IS 'The step with an agent that a branch of a task is at, or comes to next. Raises VB007.';

-- The run that is going on, or one as the next claim would open it. Its session is chosen when it is claimed, so it
-- is shown as zeros here.
CREATE FUNCTION vibe._run_to_explain(task vibe.tasks, branch text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    at_step vibe.pipeline_steps;
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _run_to_explain.branch;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = item.run_id;
    IF FOUND THEN
        RETURN run;
    END IF;
    at_step := vibe._step_to_explain(task, _run_to_explain.branch);
    run.task_id := task.id;
    run.branch := _run_to_explain.branch;
    run.step := at_step.step;
    run.revision := task.revision_count;
    run.attempt := coalesce(CASE WHEN item.step = at_step.step THEN item.attempts END, 0) + 1;
    run.agent_name := coalesce(CASE WHEN item.step = at_step.step THEN item.agent_name END, at_step.agent_name);
    SELECT coalesce(at_step.model, a.default_model) INTO run.model FROM vibe.current_agents a WHERE a.name = run.agent_name;
    run.session_id := '00000000-0000-0000-0000-000000000000';
    run.resumed_session := vibe._session_to_resume(task.id, run.branch, run.step, run.revision);
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_to_explain(vibe.tasks, text) IS 'The run that a branch of a task has, or would get. Raises VB007.';

-- A runner file that cannot be read is a problem to show and not an error: the prompt can be shown anyway.
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

-- The supervisor sets these for every agent, the README lists them.
CREATE FUNCTION vibe._agent_variables()
    RETURNS text[]
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT '{PATH,HOME,USER,LOGNAME,LANG,TZ,TMPDIR,TERM,NO_COLOR,CI,TRACEPARENT,VIBE_CONTRACT,VIBE_RUN_ID,VIBE_TASK_ID,VIBE_STEP,VIBE_BRANCH,VIBE_AGENT,VIBE_MODEL,VIBE_ATTEMPT,VIBE_CAMPAIGN,VIBE_SLUG,VIBE_SKILL_PATH,VIBE_BUDGET_USD,VIBE_SESSION,VIBE_RUN_DIR,VIBE_WORKSPACE,VIBE_OUTPUT_DIR,VIBE_OUTPUT_FILE,VIBE_INPUT,VIBE_RESULT,VIBE_TOKEN_FILE,VIBE_DEADLINE}'::text[];
END;
COMMENT ON FUNCTION vibe._agent_variables() IS 'Names of the environment variables that every agent has.';

CREATE FUNCTION vibe.explain_run(task_id bigint, branch text DEFAULT '')
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
