-- Why a task stands still. One function per kind of reason, asked in the order in which they hold a task up;
-- the first that has an answer gives it.

CREATE TYPE vibe.reason_info AS (code text, reason text, since timestamptz, until timestamptz, next_call text);
COMMENT ON TYPE vibe.reason_info IS 'Why a task stands where it stands: a code for programs, a sentence for people, since when, until when (NULL where no clock ends it), and the statement that would change it.';

CREATE FUNCTION vibe._why_not_open(task vibe.tasks)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    why vibe.reason_info;
    campaign vibe.campaigns;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = task.campaign_id;
    IF task.ended_at IS NOT NULL THEN
        why := (task.status, format('It was %s.', task.status), task.ended_at, NULL,
            CASE task.status WHEN 'completed' THEN format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …);', task.id) END);
    ELSIF campaign.status NOT IN ('active', 'in_revision') THEN
        why := ('campaign_' || campaign.status,
            format('Its campaign "%s" is %s.', campaign.name, CASE campaign.status WHEN 'planning' THEN 'not activated yet' ELSE campaign.status END),
            campaign.updated_at, NULL,
            CASE campaign.status WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(id => %s);', campaign.id)
                WHEN 'paused' THEN format('SELECT * FROM vibe.resume_campaign(id => %s);', campaign.id) END);
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_not_open(vibe.tasks) IS 'The task has ended, or its campaign is not at work.';

CREATE FUNCTION vibe._why_waiting(task vibe.tasks, item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    latest vibe.runs;
    argument text := CASE item.branch WHEN '' THEN '' ELSE format(', branch => %L', item.branch) END;
BEGIN
    SELECT r.* INTO latest FROM vibe.runs r
     WHERE r.task_id = item.task_id AND r.branch = item.branch AND r.step = item.step AND r.closed_at IS NOT NULL
     ORDER BY r.id DESC LIMIT 1;
    RETURN CASE item.waiting_for
        WHEN 'person' THEN ('blocked'::text, format('It needs a person after %s attempts: %s.', item.attempts,
                coalesce((SELECT o.description FROM vibe.outcomes o WHERE o.outcome = latest.outcome) || coalesce(': ' || left(latest.error, 500), ''),
                         'nothing was tried yet')),
            item.since, NULL::timestamptz, CASE
                WHEN latest.outcome = 'budget' AND (SELECT c.budget_usd IS NOT NULL FROM vibe.campaigns c WHERE c.id = task.campaign_id)
                    THEN format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', task.campaign_id)
                ELSE format('SELECT * FROM vibe.retry_step(task_id => %s%s);', task.id, argument) END)::vibe.reason_info
        WHEN 'back_off' THEN ('back_off'::text, format('It waits before attempt %s: %s.', item.attempts + 1, coalesce(latest.outcome || coalesce(': ' || left(latest.error, 500), ''), 'the last one failed')),
            item.since, item.ready_at, format('SELECT * FROM vibe.retry_step(task_id => %s%s);', task.id, argument))::vibe.reason_info
        WHEN 'approval' THEN ('approval'::text, 'Its gate waits for somebody''s approval.', item.since, NULL::timestamptz,
            format('SELECT * FROM vibe.approve_step(task_id => %s, run_id => %s%s);', task.id, coalesce(latest.id::text, 'NULL'), argument))::vibe.reason_info
        WHEN 'branches' THEN ('branches'::text, format('Step %s waits for the branches %s.', item.step,
                (SELECT string_agg(w.branch, ', ' ORDER BY w.branch) FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '')),
            item.since, NULL::timestamptz,
            (SELECT format('SELECT * FROM vibe.why(task_id => %s, branch => %L);', task.id, min(w.branch)) FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> ''))::vibe.reason_info
    END;
END
$$;
COMMENT ON FUNCTION vibe._why_waiting(vibe.tasks, vibe.work) IS 'The step waits: for a person, a back-off, an approval, or branches.';

CREATE FUNCTION vibe._why_held(task vibe.tasks, item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    run vibe.runs;
BEGIN
    SELECT r.* INTO run FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = item.branch AND r.ended_at IS NULL;
    IF item.state = 'held' AND run.started_by = 'hand' THEN
        why := ('locked', format('Agent "%s" holds it, by hand or from elsewhere (run %s).', run.agent_name, run.id), run.claimed_at,
            run.renewed_at + vibe._setting('stale_lock_after'),
            format('SELECT * FROM vibe.release_lock(task_id => %s, agent_name => %L, lock_token => NULL, branch => %L);', task.id, run.agent_name, item.branch));
    ELSIF item.state = 'held' THEN
        why := ('running', format('Agent "%s" is at it (run %s).', run.agent_name, run.id), run.claimed_at, NULL,
            format('SELECT * FROM vibe.cancel_run(run_id => %s);', run.id));
    ELSIF run.id IS NOT NULL THEN
        why := ('previous_process_ending', format('The process of run %s still works in its workspace and is being ended.', run.id), run.closed_at, NULL,
            format('SELECT * FROM vibe.now WHERE run_id = %s;', run.id));
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_held(vibe.tasks, vibe.work) IS 'Somebody does the step now, or the process of the run before it still lives.';

CREATE FUNCTION vibe._why_paused(item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    paused_since timestamptz := (SELECT a.paused_at FROM vibe.current_agents a WHERE a.name = item.agent_name);
BEGIN
    IF paused_since IS NOT NULL THEN
        why := ('agent_paused', format('Agent "%s" is paused.', item.agent_name), paused_since, NULL,
            format('SELECT * FROM vibe.set_agent_paused(name => %L, paused => false);', item.agent_name));
    ELSIF provider.paused_until > at THEN
        why := ('provider_paused', format('Provider "%s" is paused: %s.', provider.name, provider.pause_reason), provider.paused_at,
            nullif(provider.paused_until, 'infinity'), format('SELECT * FROM vibe.resume_provider(name => %L);', provider.name));
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_paused(vibe.work, vibe.providers, timestamptz) IS 'The step''s agent, or its runner''s provider, is paused.';

-- The same counts as in the claim.
CREATE FUNCTION vibe._why_no_slot(item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    live bigint := (SELECT count(*) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
    most integer := vibe._setting_text('max_runs')::integer;
    limits text[] := vibe._limits_of(ARRAY[(item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, provider.name, NULL)::vibe._candidate]);
    full_one text := (SELECT r.name FROM vibe._room(ARRAY(SELECT l FROM unnest(limits) l WHERE l NOT LIKE E'%\\_budget %'), at) r
                       WHERE r.free <= 0 ORDER BY r.name LIMIT 1);
    kind text := split_part(full_one, ' ', 1);
BEGIN
    IF full_one IS NOT NULL THEN
        why := ('slot_of_' || kind, format('As many runs as the %s "%s" may have are going on.', kind, substr(full_one, strpos(full_one, ' ') + 1)), item.since, NULL,
            CASE kind WHEN 'campaign' THEN format('SELECT * FROM vibe.update_campaign(id => %s, changes => ''{"max_parallel": …}'');', item.campaign_id)
                WHEN 'agent' THEN format('SELECT * FROM vibe.register_agent(name => %L, max_parallel => …);', item.agent_name)
                ELSE format('SELECT * FROM vibe.set_provider_limit(name => %L, max_parallel => …);', provider.name) END);
    ELSIF live >= most THEN
        why := ('slot_of_worker', format('%s of %s runs are going on in this database.', live, most), item.since, NULL,
            'ALTER SYSTEM SET vibe_orchestrator.max_runs = …; SELECT pg_reload_conf();');
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_no_slot(vibe.work, vibe.providers, timestamptz) IS 'No slot is free: of the campaign, the agent, the provider, or the database.';

-- The same sums as in the claim.
CREATE FUNCTION vibe._why_over_budget(task vibe.tasks, item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    campaign vibe.campaigns;
    ceiling vibe._ceiling;
    limits text[] := ARRAY(
        SELECT l FROM unnest(vibe._limits_of(ARRAY[(item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, provider.name, NULL)::vibe._candidate])) l
         WHERE l LIKE E'%\\_budget %');
    reserve_usd numeric;
BEGIN
    IF limits = '{}' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = item.campaign_id;
    reserve_usd := vibe._reserve(campaign.run_budget_usd, vibe._run_budget(item.agent_name), true, campaign.budget_usd, campaign.task_budget_usd);
    SELECT c.* INTO ceiling FROM vibe._ceilings(limits, at) c
     WHERE c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd
     ORDER BY c.amount_usd - c.spent_usd - c.reserved_usd, c.name LIMIT 1;
    IF FOUND THEN
        why := ('budget', format('The ceiling %s is %s USD: %s are spent, %s reserved by runs that go on, and a run reserves %s.',
                vibe._ceiling_words(ceiling.name), ceiling.amount_usd, ceiling.spent_usd, ceiling.reserved_usd, reserve_usd),
            coalesce((SELECT x.at FROM vibe.budget_crossings x WHERE x.name = ceiling.name AND x.amount_usd = ceiling.amount_usd), item.since),
            CASE WHEN ceiling.name LIKE 'daily%' THEN (vibe._day(at) + 1)::timestamp AT TIME ZONE 'UTC' END,
            CASE split_part(ceiling.name, ' ', 1)
                WHEN 'campaign_budget' THEN format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', item.campaign_id)
                WHEN 'task_budget' THEN format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', item.task_id)
                ELSE format('SELECT * FROM vibe.set_daily_budget(usd => …%s);', CASE split_part(ceiling.name, ' ', 2)
                    WHEN 'project' THEN format(', project_id => %s', task.project_id)
                    WHEN 'agent' THEN format(', agent_name => %L', item.agent_name)
                    WHEN 'provider' THEN format(', provider => %L', provider.name) ELSE '' END) END);
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_over_budget(vibe.tasks, vibe.work, vibe.providers, timestamptz) IS 'A spending ceiling has no room for one more run.';

CREATE FUNCTION vibe._why_no_dispatcher()
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    here record;
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity <> vibe._home_identity()) THEN
        RETURN ('take_over_needed', 'This is a copy: the data''s home is another server, database or machine.', (SELECT h.since FROM vibe.home h), NULL,
            'SELECT * FROM vibe.take_over();')::vibe.reason_info;
    END IF;
    IF vibe._is_draining() THEN
        RETURN ('draining', 'Nothing is claimed: drain() is on.', (SELECT h.draining_since FROM vibe.home h), NULL,
            'SELECT * FROM vibe.drain(false);')::vibe.reason_info;
    END IF;
    SELECT s.state, s.problem, s.started_at INTO here FROM vibe.dispatcher_status() s WHERE s.database = current_database();
    IF NOT FOUND THEN
        why := ('no_dispatcher', 'No dispatcher serves this database.', NULL, NULL,
            format('Add %s to vibe_orchestrator.databases in the configuration file; SELECT pg_reload_conf();', current_database()));
    ELSIF here.state <> 'running' THEN
        why := ('no_dispatcher', format('The dispatcher of this database is %s%s.', here.state, coalesce(': ' || here.problem, '')), here.started_at, NULL,
            'SELECT * FROM vibe.dispatcher_status();');
    END IF;
    RETURN why;
EXCEPTION WHEN SQLSTATE 'VB050' THEN
    RETURN ('library_not_preloaded', 'The server runs without the library, so nothing is started.', NULL, NULL,
        'Set shared_preload_libraries = ''vibe_orchestrator'' in the configuration file and restart the server.')::vibe.reason_info;
END
$$;
COMMENT ON FUNCTION vibe._why_no_dispatcher() IS 'Nobody starts anything: a copy, no dispatcher, one that is kept from working, or a server without the library.';

CREATE FUNCTION vibe._why_no_runner(item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    wanted text := (SELECT a.runner FROM vibe.current_agents a WHERE a.name = item.agent_name);
    runner record;
    live bigint;
BEGIN
    SELECT r.* INTO runner FROM vibe.runners() r WHERE r.name = wanted;
    SELECT count(*) INTO live FROM vibe.runs r WHERE r.ended_at IS NULL AND r.runner = wanted;
    IF runner.name IS NULL THEN
        why := ('runner_unknown', format('Runner "%s" of agent "%s" is not in the runner file.', wanted, item.agent_name), item.since, NULL,
            'SELECT * FROM vibe.runners();');
    ELSIF runner.problem IS NOT NULL OR NOT runner.executable THEN
        why := ('runner_unusable', format('Runner "%s" cannot be used: %s.', wanted, coalesce(runner.problem, 'its program is not an executable file')), item.since, NULL,
            'SELECT * FROM vibe.runners();');
    ELSIF live >= runner.max_parallel THEN
        why := ('slot_of_runner', format('%s of %s runs of runner "%s" are going on.', live, runner.max_parallel, wanted), item.since, NULL,
            'Raise max_parallel of the runner in the runner file; SELECT pg_reload_conf();');
    END IF;
    RETURN why;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    RETURN ('runner_unusable', 'The runner file cannot be used.', NULL, NULL, 'SELECT * FROM vibe.runners();')::vibe.reason_info;
END
$$;
COMMENT ON FUNCTION vibe._why_no_runner(vibe.work) IS 'The agent''s runner is unknown, cannot be used, or has no free slot.';

CREATE FUNCTION vibe._provider_of(item vibe.work)
    RETURNS vibe.providers
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    provider vibe.providers;
    known vibe.providers;
BEGIN
    SELECT r.provider INTO provider.name
      FROM vibe.current_agents a JOIN vibe.runners() r ON r.name = a.runner
     WHERE a.name = item.agent_name;
    -- One without a row has neither limit nor pause, but it has a name.
    SELECT p.* INTO known FROM vibe.providers p WHERE p.name = provider.name;
    RETURN CASE WHEN FOUND THEN known ELSE provider END;
EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
    RETURN provider;
END
$$;
COMMENT ON FUNCTION vibe._provider_of(vibe.work) IS 'The provider of the runner of a step''s agent; all NULL where it has none.';

CREATE FUNCTION vibe.why(task_id bigint, branch text DEFAULT '')
    RETURNS SETOF vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    item vibe.work;
    provider vibe.providers;
    at timestamptz;
    found_reason vibe.reason_info;
BEGIN
    SELECT t.* INTO task FROM vibe.tasks t WHERE t.id = why.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(why.task_id);
    END IF;
    SELECT c.now INTO at FROM vibe.clock() c(now);
    SELECT w.* INTO item FROM vibe.work w WHERE w.task_id = task.id
     ORDER BY w.branch = coalesce(why.branch, '') DESC, w.branch LIMIT 1;
    IF why.branch = ANY (task.cancelled_branches) THEN
        found_reason := ('branch_cancelled', 'This branch was cancelled.', NULL, NULL, format('SELECT * FROM vibe.retry_step(task_id => %s, branch => %L);', task.id, why.branch));
    ELSIF item.task_id IS NULL THEN
        found_reason := coalesce(vibe._why_not_open(task),
            ('orphaned', 'It is open and has no work; the next sweep gives its step back.', task.updated_at, NULL, 'SELECT * FROM vibe.sweep();')::vibe.reason_info);
    ELSE
        -- Each is asked only if those before had nothing to say.
        found_reason := coalesce(vibe._why_not_open(task), vibe._why_waiting(task, item), vibe._why_held(task, item));
        IF found_reason IS NULL THEN
            provider := vibe._provider_of(item);
            found_reason := coalesce(vibe._why_paused(item, provider, at), vibe._why_over_budget(task, item, provider, at), vibe._why_no_slot(item, provider, at),
                vibe._why_no_dispatcher(), vibe._why_no_runner(item),
                ('ready', 'It is ready and starts with the dispatcher''s next turn.', item.since, NULL, NULL)::vibe.reason_info);
        END IF;
    END IF;
    RETURN NEXT found_reason;
END
$$;
COMMENT ON FUNCTION vibe.why(bigint, text) IS 'Why a task stands where it stands, in one row: code (completed, cancelled, branch_cancelled, campaign_planning, campaign_paused, blocked, back_off, approval, branches, locked, running, previous_process_ending, agent_paused, provider_paused, budget, slot_of_campaign, slot_of_agent, slot_of_provider, slot_of_worker, slot_of_runner, take_over_needed, draining, no_dispatcher, library_not_preloaded, runner_unknown, runner_unusable, orphaned, ready), a sentence, since and until when, and the next call. branch names another line than the main one; where the main line is done it is the first branch that is not. Raises VB003.';
