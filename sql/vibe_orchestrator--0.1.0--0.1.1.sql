\echo Use "ALTER EXTENSION vibe_orchestrator UPDATE" to load this file. \quit

-- Completions and claims take fewer statements, and one per table where there are many.
CREATE TYPE vibe._run_end AS (
    run_id bigint, outcome text, error text, answer jsonb, summary text, output jsonb, output_path text, quality_score numeric, notes text,
    superseded boolean, record jsonb);
COMMENT ON TYPE vibe._run_end IS 'How a run ended: its verdict (what it was worth; NULL if that was decided before) and its record (how its process ended; NULL if it has not).';

CREATE TYPE vibe._completion AS (
    nth bigint, run_id bigint, output jsonb, quality_score numeric, output_path text, summary text, record jsonb);
COMMENT ON TYPE vibe._completion IS 'A result of a run, and the record of its process''s end where that is what brings it.';

CREATE TYPE vibe._plain_move AS (nth bigint, run_id bigint, next_step integer, next_agent text, task_status text);
COMMENT ON TYPE vibe._plain_move IS 'A completion after which the next step is ready, and nothing else.';

CREATE TYPE vibe._taken AS (item vibe.work, runner text, provider text, reserve_usd numeric);
COMMENT ON TYPE vibe._taken IS 'A work row that the transaction has locked, and how its run is to be opened: by which runner (NULL: by hand), with what reserve (NULL: none).';

-- Activation in batches.
ALTER TABLE vibe.campaigns
    ADD COLUMN tasks_to_create integer,
    ADD COLUMN batch_size integer,
    ADD CONSTRAINT tasks_to_create_is_sane CHECK (tasks_to_create BETWEEN 1 AND 1000000),
    ADD CONSTRAINT tasks_to_create_only_while_open CHECK (tasks_to_create IS NULL OR status IN ('active', 'paused', 'in_revision')),
    ADD CONSTRAINT batch_size_is_sane CHECK (batch_size BETWEEN 1 AND 1000000),
    ADD CONSTRAINT batch_size_only_with_tasks_to_create CHECK ((batch_size IS NOT NULL) = (tasks_to_create IS NOT NULL));
COMMENT ON COLUMN vibe.campaigns.activated_at IS 'When its tasks, or the first batch of them, were created; NULL while planning.';
COMMENT ON COLUMN vibe.campaigns.tasks_to_create IS 'How many of the tasks that it was activated with are still to be created, in batches; NULL for none.';
COMMENT ON COLUMN vibe.campaigns.batch_size IS 'How many of tasks_to_create each batch creates; NULL where there are none.';
CREATE INDEX campaigns_in_batches_idx ON vibe.campaigns (updated_at, id) WHERE tasks_to_create IS NOT NULL;
ALTER TYPE vibe.campaign_info ADD ATTRIBUTE tasks_to_create integer;
COMMENT ON TYPE vibe.campaign_info IS 'A campaign with its settings and the number of its tasks, as functions return it; tasks_to_create are not among those yet (NULL: none).';
DROP FUNCTION vibe.activate_campaign(bigint);
DROP FUNCTION vibe.campaign_progress(bigint);
DROP FUNCTION vibe.sweep();

DROP FUNCTION vibe._take(vibe._candidate[], integer);
DROP FUNCTION vibe._open_run(vibe.work, text, text, numeric, text, timestamptz);
DROP FUNCTION vibe._judge(vibe.tasks, vibe.runs, jsonb, timestamptz);
DROP FUNCTION vibe._end_run(bigint, vibe.runs, jsonb, timestamptz);
DROP FUNCTION vibe._provider_works(vibe.runs);

CREATE INDEX campaigns_limited_idx ON vibe.campaigns (id)
    WHERE ended_at IS NULL AND num_nonnulls(max_parallel, budget_usd, task_budget_usd) > 0;

-- Tables written: work, tasks. The task's status comes from the step that was done; NULL leaves it. closed_branch
-- is the one whose end moves the task on: its run may still be open in the table.
CREATE OR REPLACE FUNCTION vibe._move_on(
    task vibe.tasks, after_step integer, new_status text, score numeric, at timestamptz, closed_branch text DEFAULT NULL,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stop record;
    under_way text[] := ARRAY(SELECT w.branch FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '');
BEGIN
    SELECT * INTO stop FROM vibe._next_stop(task.pipeline_version_id, after_step, under_way <> '{}', vibe._wanted(task),
        under_way || array_remove(ARRAY[closed_branch], NULL) || task.cancelled_branches || ARRAY(SELECT r.branch FROM vibe.runs r WHERE r.task_id = task.id AND r.branch <> ''
                              AND r.outcome = 'done' AND NOT r.superseded));
    IF stop.opened <> '{}' THEN
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (stop.opened);
    END IF;
    task_completed := stop.next_step IS NULL AND under_way = '{}' AND stop.opened = '{}';
    next_step := stop.next_step;
    next_agent := stop.next_agent;
    task_status := vibe._move_to(task, next_step, next_agent, stop.waiting_for, task_completed, new_status, score, at);
END
$$;

CREATE OR REPLACE FUNCTION vibe._set_main_line(
    task vibe.tasks, step integer, agent_name text, waiting_for text, note text, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.work w
       SET step = _set_main_line.step, agent_name = _set_main_line.agent_name, run_id = NULL, attempts = 0, retries = 0, ready_at = NULL, since = at,
           state = CASE WHEN _set_main_line.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for = _set_main_line.waiting_for,
           priority = vibe._priority_rank(task.priority),
           -- What a person said to a step that had to wait for its branches is still said to it.
           note = CASE WHEN w.waiting_for = 'branches' AND w.step = _set_main_line.step THEN w.note ELSE _set_main_line.note END
     WHERE w.task_id = task.id AND w.branch = '';
    IF NOT FOUND THEN
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
        VALUES (task.id, '', coalesce(task.campaign_id, 0), step, agent_name, CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for,
                vibe._priority_rank(task.priority), at, note);
    END IF;
    IF waiting_for = 'approval' THEN
        PERFORM vibe._tell_approval(task, '', step, NULL);
    END IF;
    RETURN task.id;
END
$$;

-- Tables written: work, tasks.
CREATE FUNCTION vibe._move_to(
    task vibe.tasks, next_step integer, next_agent text, waiting_for text, ends boolean, new_status text, score numeric, at timestamptz
)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reached text := CASE WHEN ends THEN 'completed' ELSE coalesce(new_status, task.status) END;
BEGIN
    IF next_step IS NULL THEN
        DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    ELSE
        PERFORM vibe._set_main_line(task, next_step, next_agent, waiting_for, NULL, at);
    END IF;
    UPDATE vibe.tasks t
       SET status = reached,
           step = next_step,
           quality_score = coalesce(score, t.quality_score),
           rejection_notes = CASE WHEN reached = 'revision_needed' THEN t.rejection_notes END,
           ended_at = CASE WHEN ends THEN at END,
           updated_at = at
     WHERE t.id = task.id;
    RETURN reached;
END
$$;
COMMENT ON FUNCTION vibe._move_to(vibe.tasks, integer, text, text, boolean, text, numeric, timestamptz) IS 'Puts a task at a main step, or behind its last one (next_step NULL), or ends it; returns its status.';

-- Tables written: work, tasks. What follows a run that was done; the run itself is closed by the caller.
CREATE OR REPLACE FUNCTION vibe._advance(
    task vibe.tasks, run vibe.runs, score numeric, at timestamptz,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here record;
    new_status text;
BEGIN
    -- One query for all that a line without branches needs: this is done at the end of every step.
    SELECT s.gate, o.status, following.step AS next_step, following.agent_name AS next_agent,
           NOT EXISTS (SELECT 1 FROM vibe.pipeline_steps b WHERE b.pipeline_version_id = s.pipeline_version_id AND b.branch > '') AS is_plain
      INTO STRICT here
      FROM vibe.pipeline_steps s
      LEFT JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
      LEFT JOIN LATERAL (
        SELECT f.step, f.agent_name FROM vibe.pipeline_steps f
         WHERE f.pipeline_version_id = s.pipeline_version_id AND f.branch = '' AND f.step > s.step
         ORDER BY f.step LIMIT 1) following ON true
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    IF here.gate = 'human' THEN
        UPDATE vibe.work w SET state = 'waiting', waiting_for = 'approval', run_id = NULL, attempts = 0, retries = 0, since = at
         WHERE w.task_id = task.id AND w.branch = run.branch;
        PERFORM vibe._tell_approval(task, run.branch, run.step, run.id);
    END IF;
    IF run.branch = '' THEN
        new_status := coalesce(here.status, CASE WHEN task.status IN ('revision_needed', 'blocked') THEN vibe._earned_status(task) END);
        IF here.gate IS NULL AND here.is_plain AND (here.next_agent IS NOT NULL OR here.next_step IS NULL) THEN
            next_step := here.next_step;
            next_agent := here.next_agent;
            task_completed := next_step IS NULL;
            task_status := vibe._move_to(task, next_step, next_agent, NULL, task_completed, new_status, score, at);
            RETURN;
        ELSIF here.gate IS NULL THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed
              FROM vibe._move_on(task, run.step, new_status, score, at);
            RETURN;
        END IF;
        UPDATE vibe.tasks t
           SET status = coalesce(new_status, t.status), quality_score = coalesce(score, t.quality_score),
               rejection_notes = NULL, updated_at = at
         WHERE t.id = task.id
        RETURNING t.status INTO task_status;
        task_completed := false;
        RETURN;
    END IF;
    task_status := task.status;
    task_completed := false;
    IF here.gate IS NULL THEN
        SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, run.branch, at);
    END IF;
END
$$;

-- Tables written: usage_entries, usage_totals, budget_crossings, activities. In the transaction that ends the run,
-- whoever that is; every 256th run takes the entries before it along.
CREATE OR REPLACE FUNCTION vibe._count_usage()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    counts boolean := NEW.outcome = 'done' AND NOT NEW.superseded AND NEW.task_id IS NOT NULL;
    given numeric := CASE WHEN counts AND NEW.branch = '' THEN NEW.quality_score END;
BEGIN
    INSERT INTO vibe.usage_entries (run_id, project_id, campaign_id, agent_name, provider, model, branch, step, day, unknown_cost_runs,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd, tasks_done, score_before, score_after, scored_agents)
    SELECT NEW.id, coalesce((SELECT t.project_id FROM vibe.tasks t WHERE t.id = NEW.task_id), 0), NEW.campaign_id, NEW.agent_name,
        coalesce(NEW.provider, ''), coalesce(NEW.model, ''), NEW.branch, NEW.step, vibe._day(NEW.claimed_at),
        (NEW.cost_usd IS NULL AND NOT vibe._never_ran(NEW.outcome, NEW.started_at))::integer,
        coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0), coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
        NEW.cost_usd, vibe._counted(NEW.cost_usd, NEW.reserved_usd, NEW.outcome, NEW.started_at),
        (counts AND NEW.agent_name = ANY (b.agents) IS NOT TRUE)::integer, b.score, coalesce(given, b.score),
        CASE WHEN coalesce(given, b.score) IS DISTINCT FROM b.score THEN b.agents END
      FROM vibe._done_before(CASE WHEN counts THEN NEW.task_id END, NEW.close_event) b;
    IF NEW.reserved_usd IS NOT NULL THEN
        PERFORM vibe._compare_with_reserve(NEW, t) FROM (SELECT NEW.task_id AS id) n LEFT JOIN vibe.tasks t ON t.id = n.id;
    END IF;
    IF NEW.id % 256 = 0 THEN
        PERFORM vibe._merge_usage(1024);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION vibe._compare_with_reserve(run vibe.runs, task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.cost_usd > run.reserved_usd THEN
        PERFORM vibe._record('budget_overrun', format('Run %s of %s cost %s USD; %s were reserved.', run.id,
                coalesce('task "' || left(task.title, 200) || '"', 'agent "' || run.agent_name || '"'), trim_scale(run.cost_usd), run.reserved_usd),
            jsonb_build_object('run_id', run.id, 'cost_usd', trim_scale(run.cost_usd), 'reserved_usd', run.reserved_usd),
            task.project_id, task.campaign_id, task.id);
    END IF;
    IF task.ended_at IS NULL
       AND EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = run.campaign_id AND c.task_budget_usd IS NOT NULL) THEN
        PERFORM vibe._note_crossing(c, run.reserved_usd, vibe.clock()) FROM vibe._task_ceilings(ARRAY[task.id]) c;
    END IF;
    RETURN run.cost_usd > run.reserved_usd;
END
$$;
COMMENT ON FUNCTION vibe._compare_with_reserve(vibe.runs, vibe.tasks) IS 'Tells that a run cost more than it had reserved, and that its task''s ceiling has no room for another one like it; task is NULL for a heartbeat.';

-- The one door for how runs ended: verdict and record in one write where both come together. What is decided stays.
-- ANY: by their keys, also in a session that planned while there were few runs. num_nonnulls: asked with IS NULL, an
-- index of live runs would do, which is small when a session plans and full of dead entries beside an old snapshot.
CREATE FUNCTION vibe._end_runs(ends vibe._run_end[], at timestamptz)
    RETURNS SETOF vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        UPDATE vibe.runs r
           SET outcome = coalesce(r.outcome, e.outcome),
               closed_at = coalesce(r.closed_at, at),
               close_event = coalesce(r.close_event, nextval('vibe.activities_id_seq')),
               error = coalesce(r.error, e.error),
               answer = coalesce(r.answer, e.answer),
               summary = coalesce(r.summary, left(e.summary, 10000)),
               output = coalesce(r.output, e.output),
               output_path = coalesce(r.output_path, e.output_path),
               quality_score = coalesce(r.quality_score, e.quality_score),
               notes = coalesce(r.notes, e.notes),
               superseded = r.superseded OR coalesce(e.superseded, false),
               ended_at = CASE WHEN r.started_by = 'hand' OR e.record IS NOT NULL THEN coalesce(r.ended_at, at) END,
               exit_code = vibe._small_count(e.record -> 'exit_code'),
               exit_signal = vibe._small_count(e.record -> 'exit_signal'),
               input_tokens = coalesce(vibe._count(u.usage -> 'input_tokens'), r.input_tokens),
               output_tokens = coalesce(vibe._count(u.usage -> 'output_tokens'), r.output_tokens),
               cache_read_tokens = coalesce(vibe._count(u.usage -> 'cache_read_tokens'), r.cache_read_tokens),
               cache_write_tokens = coalesce(vibe._count(u.usage -> 'cache_write_tokens'), r.cache_write_tokens),
               cost_usd = coalesce(u.reported, u.computed, r.cost_usd),
               cost_source = CASE WHEN u.reported IS NOT NULL THEN 'reported' WHEN u.computed IS NOT NULL THEN 'computed' ELSE r.cost_source END,
               model = coalesce(r.model, left(u.usage ->> 'model', 200)),
               session_id = coalesce(left(e.record ->> 'session', 200), r.session_id),
               output_tail = right(e.record ->> 'stdout_tail', 65536),
               error_tail = right(e.record ->> 'stderr_tail', 65536),
               leftover_processes = vibe._small_count(e.record -> 'leftover_processes')
          FROM unnest(ends) e
          LEFT JOIN LATERAL (
            SELECT told.usage, told.reported, CASE WHEN told.reported IS NULL AND jsonb_typeof(told.usage) = 'object' THEN vibe._computed_cost(e.run_id, told.usage) END AS computed
              FROM (SELECT e.record -> 'usage' AS usage, vibe._amount(e.record #> '{usage,cost_usd}') AS reported) told
             WHERE jsonb_typeof(told.usage) = 'object') u ON true
         WHERE r.id = e.run_id AND r.id = ANY (ARRAY(SELECT k.run_id FROM unnest(ends) k)) AND num_nonnulls(r.ended_at) = 0
        RETURNING r.*;
END
$$;
COMMENT ON FUNCTION vibe._end_runs(vibe._run_end[], timestamptz) IS 'Writes runs'' verdicts, their processes'' ends, or both: exit, usage, cost, tails. Returns those that had not ended before.';

-- The run that a caller writes for. With a token: the run of that token, open or done and still what counts; without
-- one (operators): the run that holds the step now.
CREATE OR REPLACE FUNCTION vibe._run_of(task_id bigint, agent_name text, lock_token text, branch text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    found_run record;
BEGIN
    IF lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
        SELECT r.* INTO run FROM vibe.work w JOIN vibe.runs r ON r.id = w.run_id
         WHERE w.task_id = _run_of.task_id AND w.branch = _run_of.branch;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB013',
                MESSAGE = 'nobody holds this step',
                DETAIL = format('Task %s, branch %L has no live lock.', _run_of.task_id, _run_of.branch),
                HINT = format('SELECT * FROM vibe.acquire_lock(task_id => %s, agent_name => …, branch => %L) first.', _run_of.task_id, _run_of.branch);
        END IF;
    ELSE
        SELECT r AS run, EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id) AS holds
          INTO found_run
          FROM vibe.runs r
         WHERE r.task_id = _run_of.task_id AND r.token_hash = vibe._token_hash(_run_of.lock_token);
        run := found_run.run;
        IF run.id IS NULL THEN
            PERFORM vibe._lock_lost(NULL, format('The token belongs to no run of task %s.', _run_of.task_id));
        ELSIF run.branch <> _run_of.branch THEN
            PERFORM vibe._lock_lost(run.id, format('The token belongs to branch %L.', run.branch));
        ELSIF run.closed_at IS NOT NULL AND (run.answer IS NULL OR run.superseded) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s%s.', run.id, run.outcome, run.closed_at,
                CASE WHEN run.superseded THEN ' and replaced by a revision' ELSE '' END));
        ELSIF run.closed_at IS NULL AND NOT found_run.holds THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
        END IF;
    END IF;
    IF run.agent_name IS DISTINCT FROM _run_of.agent_name THEN
        PERFORM vibe._wrong_agent(_run_of.agent_name, run.agent_name);
    END IF;
    RETURN run;
END
$$;

CREATE OR REPLACE FUNCTION vibe.acquire_lock(task_id bigint, agent_name text, branch text DEFAULT '')
    RETURNS TABLE (acquired boolean, reason text, locked_by text, run_id bigint, lock_token text, lease_expires_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(acquire_lock.task_id);
    item vibe.work;
    holder vibe.runs;
    candidate vibe._candidate;
BEGIN
    -- FOR UPDATE: the dispatcher's claim takes work rows without the task's lock.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(acquire_lock.branch, '') FOR UPDATE;
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    reason := vibe._why_not(task, item, holder, at);
    candidate := vibe._candidate_by_hand(item);
    IF reason IS NULL AND item.agent_name IS DISTINCT FROM acquire_lock.agent_name THEN
        PERFORM vibe._wrong_agent(acquire_lock.agent_name, item.agent_name);
    ELSIF reason IS NULL AND item.state <> 'held'
        -- Whoever takes a step over also takes the place that its holder has in every limit.
        AND vibe._within_limits(ARRAY[candidate], at) = '{}' THEN
        reason := 'limit_reached';
    END IF;
    IF reason IS NOT NULL THEN
        acquired := false;
        locked_by := holder.agent_name;
        lease_expires_at := holder.renewed_at + vibe._setting('lease_duration');
        RETURN NEXT;
        RETURN;
    END IF;
    IF item.state = 'held' THEN
        PERFORM vibe._close_run(holder.id, 'lost', 'its lease ran out and the step was taken over', at);
    END IF;
    RETURN QUERY
        SELECT true, NULL::text, (o.run).agent_name, (o.run).id, o.token, (o.run).renewed_at + vibe._setting('lease_duration')
          FROM vibe._open_runs(ARRAY[(item, NULL, NULL, candidate.reserve_usd)::vibe._taken], at) o;
END
$$;

CREATE FUNCTION vibe._stays_in_workspace(path text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT length(path) <= 4000 AND path !~ E'^/|(^|/)[.][.](/|$)|[\x01-\x1f]';
END;
COMMENT ON FUNCTION vibe._stays_in_workspace(text) IS 'Whether a path is relative and leads nowhere above where it begins.';

CREATE OR REPLACE FUNCTION vibe._check_result(quality_score numeric, output_path text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (quality_score BETWEEN 0 AND 100) THEN
        PERFORM vibe._invalid_argument('quality_score', quality_score::text, 'Use 0 to 100, or NULL.');
    ELSIF NOT vibe._stays_in_workspace(output_path) THEN
        PERFORM vibe._invalid_argument('output_path', output_path, 'Use a path relative to the workspace, without "..".');
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION vibe._answer(next_step integer, next_agent text, task_status text, task_completed boolean)
    RETURNS jsonb
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object('next_step', next_step, 'next_agent', next_agent, 'task_status', task_status, 'task_completed', task_completed);
END;
COMMENT ON FUNCTION vibe._answer(integer, text, text, boolean) IS 'What complete_step() answers, as it is kept in runs.answer.';

-- Tables written: work, tasks, runs, campaigns, activities. Locks, in order: the task row (by the caller), at the
-- task's end another open task of the campaign (tried), or else the campaign row. record is the end of its process, where that is what completes it.
CREATE OR REPLACE FUNCTION vibe._complete(
    task vibe.tasks, run vibe.runs, output jsonb, quality_score numeric, output_path text, summary text,
    record jsonb, at timestamptz
)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moved record;
    answer jsonb;
BEGIN
    PERFORM vibe._check_result(_complete.quality_score, _complete.output_path);
    SELECT * INTO moved FROM vibe._advance(task, run, _complete.quality_score, at);
    answer := vibe._answer(moved.next_step, moved.next_agent, moved.task_status, moved.task_completed);
    PERFORM 1 FROM vibe._end_runs(ARRAY[(run.id, 'done', NULL, answer, _complete.summary, _complete.output, _complete.output_path,
        _complete.quality_score, NULL, NULL, _complete.record)::vibe._run_end], at);
    PERFORM vibe._notify('step_advanced', format('Step %s of task "%s" is done.', run.step, left(task.title, 200)),
        answer, task.project_id, task.campaign_id, task.id, run.id);
    IF moved.task_completed AND NOT vibe._leaves_the_end_to_another(run.campaign_id) THEN
        PERFORM vibe._finish_campaign(run.campaign_id, at);
    END IF;
    RETURN answer;
END
$$;

-- Tables written: runs, work, tasks. The tasks are locked by the caller, so that nobody but us moves what is read here.
-- Two statements for all of them: which completions are plain, and what that makes of work and tasks; then the runs.
-- Each row is asked for by its key (LATERAL, ANY), so that a session that planned while a table was small goes on well.
CREATE FUNCTION vibe._move_plainly(items vibe._completion[], at timestamptz)
    RETURNS vibe._plain_move[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moves vibe._plain_move[];
    ends vibe._run_end[];
BEGIN
    WITH move AS MATERIALIZED (
        SELECT i.*, t.id AS task_id, vibe._priority_rank(t.priority) AS priority, coalesce(o.status, t.status) AS task_status,
               following.step AS next_step, following.agent_name AS next_agent
          FROM unnest(items) i
         CROSS JOIN LATERAL (SELECT x.* FROM vibe.runs x WHERE x.id = i.run_id OFFSET 0) r
          JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id
          JOIN vibe.tasks t ON t.id = r.task_id
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
          LEFT JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
         CROSS JOIN LATERAL (
            SELECT f.step, f.agent_name FROM vibe.pipeline_steps f
             WHERE f.pipeline_version_id = s.pipeline_version_id AND f.branch = '' AND f.step > s.step
             ORDER BY f.step LIMIT 1) following
         WHERE r.branch = '' AND r.closed_at IS NULL AND s.gate IS NULL AND following.agent_name IS NOT NULL
           AND t.status NOT IN ('revision_needed', 'blocked')
           AND NOT EXISTS (SELECT 1 FROM vibe.pipeline_steps b WHERE b.pipeline_version_id = s.pipeline_version_id AND b.branch > '')
           AND (i.quality_score BETWEEN 0 AND 100) IS NOT FALSE
           AND vibe._stays_in_workspace(i.output_path) IS NOT FALSE
           -- Who wants to be told of each step is told by complete_step().
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_kinds k WHERE k.kind = 'step_advanced' AND k.in_app)
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_rules n WHERE n.kind = 'step_advanced' AND n.enabled)
    ), readied AS (
        UPDATE vibe.work w
           SET step = m.next_step, agent_name = m.next_agent, state = 'ready', run_id = NULL, attempts = 0, retries = 0, since = at,
               note = NULL, priority = m.priority
          FROM move m WHERE w.task_id = m.task_id AND w.branch = '' AND w.task_id = ANY (ARRAY(SELECT k.task_id FROM move k))
    ), moved AS (
        UPDATE vibe.tasks t
           SET status = m.task_status, step = m.next_step, quality_score = coalesce(m.quality_score, t.quality_score),
               rejection_notes = NULL, updated_at = at
          FROM move m WHERE t.id = m.task_id AND t.id = ANY (ARRAY(SELECT k.task_id FROM move k))
    )
    SELECT array_agg((m.nth, m.run_id, m.next_step, m.next_agent, m.task_status)::vibe._plain_move),
           array_agg((m.run_id, 'done', NULL, vibe._answer(m.next_step, m.next_agent, m.task_status, false), m.summary, m.output,
                      m.output_path, m.quality_score, NULL, NULL, m.record)::vibe._run_end)
      INTO moves, ends FROM move m;
    IF moves IS NULL THEN
        RETURN ARRAY[]::vibe._plain_move[];
    END IF;
    PERFORM 1 FROM vibe._end_runs(ends, at);
    RETURN moves;
END
$$;
COMMENT ON FUNCTION vibe._move_plainly(vibe._completion[], timestamptz) IS 'Closes as done those runs after which the next step of a line without branches is ready, and nothing else: no gate, no end, no revision, nobody to be told; makes these steps ready, and returns what became of them. No run may be named twice.';

CREATE FUNCTION vibe._providers_work(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    opened bigint;
BEGIN
    UPDATE vibe.providers p
       SET paused_at = NULL, paused_until = NULL, pause_reason = NULL, pauses_in_a_row = 0, probed_at = NULL
     WHERE EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = ANY (run_ids) AND r.provider = p.name AND r.claimed_at >= p.paused_until);
    GET DIAGNOSTICS opened = ROW_COUNT;
    RETURN opened;
END
$$;
COMMENT ON FUNCTION vibe._providers_work(bigint[]) IS 'Runs that were started after a pause and went well end it for good.';

-- Tables written: runs, work, tasks, activities. run is the reviewer's own run, or all NULL.
CREATE OR REPLACE FUNCTION vibe._revise(
    task vibe.tasks, run vibe.runs, target_step integer, notes text, rerun_branches boolean, summary text, score numeric,
    record jsonb, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO agent_name, revisions, is_blocked FROM vibe._rewind(task, target_step, notes, rerun_branches, run.id, at);
    PERFORM 1 FROM vibe._end_runs(ARRAY[(run.id, 'revise', NULL, NULL, _revise.summary, NULL, NULL,
        _revise.score, _revise.notes, true, _revise.record)::vibe._run_end], at);
END
$$;

-- Most databases have no limits and most claims no chore: one look at what there is spares the others theirs.
CREATE FUNCTION vibe._claim_outlook(at timestamptz)
    RETURNS TABLE (is_home boolean, is_draining boolean, has_chores boolean, has_limits boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity = vibe._home_identity()),
           EXISTS (SELECT 1 FROM vibe.home h WHERE h.draining_since IS NOT NULL),
           EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id IS NULL AND c.ready_at <= at)
               OR EXISTS (SELECT 1 FROM vibe.deliveries d WHERE d.state = 'pending' AND d.next_attempt_at <= at),
           EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.ended_at IS NULL AND num_nonnulls(c.max_parallel, c.budget_usd, c.task_budget_usd) > 0)
               OR EXISTS (SELECT 1 FROM vibe.agents a WHERE a.max_parallel IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.agent_overrides o WHERE o.max_parallel IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.providers p WHERE p.max_parallel IS NOT NULL OR p.paused_until IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day');
END;
COMMENT ON FUNCTION vibe._claim_outlook(timestamptz) IS 'What a claim has to look at beside what is ready: is this the data''s home, is everything kept from being claimed, is a chore or a message due, is there any finite limit or ceiling.';

-- Not user data: what is noted of a server's transactions says nothing about another's.
CREATE TABLE vibe.run_marks (
    run_id bigint PRIMARY KEY,
    next_xid xid8 NOT NULL,
    live_from bigint NOT NULL,
    live_before bigint[] NOT NULL,
    undecided xid8[] NOT NULL
);
COMMENT ON TABLE vibe.run_marks IS 'Where the live runs are: what spares a claim the dead entries that ended runs leave in an index beside an old snapshot. Without a row every live run is looked for.';
COMMENT ON COLUMN vibe.run_marks.run_id IS 'The run at whose claim this was noted.';
COMMENT ON COLUMN vibe.run_marks.next_xid IS 'The next transaction id then: whatever began later made only later runs.';
COMMENT ON COLUMN vibe.run_marks.live_from IS 'Runs from this one on may be live; 0: any.';
COMMENT ON COLUMN vibe.run_marks.live_before IS 'Those before it that were live.';
COMMENT ON COLUMN vibe.run_marks.undecided IS 'Transactions that may have made runs before it and had not ended; once one has, this mark says nothing.';
GRANT SELECT ON vibe.run_marks TO vibe_viewer;

DROP INDEX vibe.runs_one_live_run_per_branch_idx;
-- At most one process works in a workspace: a run blocks its (task, branch) until its end is recorded.
CREATE UNIQUE INDEX runs_one_live_run_per_branch_idx ON vibe.runs (task_id, branch) WHERE ended_at IS NULL;
-- What the limits count rides along, so that counting reads this small index and nothing else. By the order of claims:
-- vibe._live_runs_now() begins where the live ones do.
CREATE INDEX runs_live_idx ON vibe.runs (id) INCLUDE (task_id, branch, campaign_id, agent_name, provider, reserved_usd, claimed_at) WHERE ended_at IS NULL;

-- The live runs, as exactly as WHERE ended_at IS NULL says them. Beside an old snapshot that would read an entry for
-- every run that ended since: those before the last mark are left out, but for the few that were live then. Where a
-- transaction that the mark could not judge has ended since, it counts for nothing. The order, which may not be had
-- by sorting, is for the planner: while few runs are live every index seems as good to it, also one to be read whole.
CREATE FUNCTION vibe._live_runs_now()
    RETURNS TABLE (run_id bigint, task_id bigint, branch text, campaign_id bigint, agent_name text, provider text)
    LANGUAGE plpgsql
    STABLE
    ROWS 10
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    mark vibe.run_marks;
    first_id bigint := 0;
BEGIN
    SELECT * INTO mark FROM vibe.run_marks m ORDER BY m.run_id DESC LIMIT 1;
    IF mark.live_from > 0 AND (mark.undecided = '{}' OR mark.undecided <@ ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot()))) THEN
        first_id := mark.live_from;
        RETURN QUERY SELECT r.id, r.task_id, r.branch, r.campaign_id, r.agent_name, r.provider
                       FROM vibe.runs r WHERE r.id = ANY (mark.live_before) AND num_nonnulls(r.ended_at) = 0 ORDER BY r.id;
    END IF;
    RETURN QUERY SELECT r.id, r.task_id, r.branch, r.campaign_id, r.agent_name, r.provider
                   FROM vibe.runs r WHERE r.id >= first_id AND r.ended_at IS NULL ORDER BY r.id;
END
$$;
COMMENT ON FUNCTION vibe._live_runs_now() IS 'Runs that have not ended, found without reading through those that ended.';

-- Tables written: run_marks. Locks: none that anybody waits for. A mark says which runs before the last one are live.
-- Their ids were drawn before the last mark was made, and by transactions that had begun: those that have not ended
-- since are its undecided ones. A snapshot that is older than this statement could not tell, so there are no marks then.
CREATE FUNCTION vibe._mark_live_runs(run_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    last vibe.run_marks;
BEGIN
    SELECT * INTO last FROM vibe.run_marks m ORDER BY m.run_id DESC LIMIT 1;
    IF _mark_live_runs.run_id IS NULL OR _mark_live_runs.run_id < last.run_id + 200 OR current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.run_marks (run_id, next_xid, live_from, live_before, undecided)
    SELECT _mark_live_runs.run_id, pg_snapshot_xmax(pg_current_snapshot()), coalesce(last.run_id, 0),
           ARRAY(SELECT l.run_id FROM vibe._live_runs_now() l WHERE l.run_id < last.run_id),
           ARRAY(SELECT x FROM pg_snapshot_xip(pg_current_snapshot()) x WHERE x < last.next_xid);
    DELETE FROM vibe.run_marks m
     WHERE m.run_id IN (SELECT o.run_id FROM vibe.run_marks o WHERE o.run_id < last.run_id ORDER BY o.run_id LIMIT 100 FOR UPDATE SKIP LOCKED);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._mark_live_runs(bigint) IS 'After the claim of this run (NULL: of none), notes which runs are live, if 200 runs were made since that was done last.';
REVOKE ALL ON FUNCTION vibe._live_runs_now(), vibe._mark_live_runs(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._live_runs_now() TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._room(limits text[], at timestamptz)
    RETURNS TABLE (name text, free numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH live AS MATERIALIZED (
            SELECT r.campaign_id, r.agent_name, r.provider, count(*) AS n FROM vibe._live_runs_now() r
             GROUP BY r.campaign_id, r.agent_name, r.provider
        )
        SELECT l.name, CASE l.kind
            WHEN 'campaign' THEN (SELECT c.max_parallel FROM vibe.campaigns c WHERE c.id = l.key::bigint)
                - (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.campaign_id = l.key::bigint)
            WHEN 'agent' THEN (SELECT a.max_parallel FROM vibe.current_agents a WHERE a.name = l.key)
                - (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.agent_name = l.key)
            ELSE (SELECT vibe._provider_room(p, (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.provider = l.key), at)
                    FROM vibe.providers p WHERE p.name = l.key) END::numeric
          FROM (SELECT n AS name, split_part(n, ' ', 1) AS kind, substr(n, strpos(n, ' ') + 1) AS key FROM unnest(limits) n
                 WHERE n NOT LIKE E'%\\_budget %') l
         UNION ALL
        SELECT c.name, c.amount_usd - c.spent_usd - c.reserved_usd FROM vibe._ceilings(limits, at) c;
END
$$;

CREATE OR REPLACE FUNCTION vibe._mark_started(run_ids bigint[], pids integer[], pid_starts bigint[], boot_id text, pid_ns text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    marked bigint;
BEGIN
    UPDATE vibe.runs r
       SET started_at = at, pid = p.pid, pid_start = p.pid_start,
           boot_id = _mark_started.boot_id, pid_ns = _mark_started.pid_ns
      FROM unnest(run_ids, pids, pid_starts) p(run_id, pid, pid_start)
     WHERE r.id = p.run_id AND num_nonnulls(r.ended_at) = 0;
    GET DIAGNOSTICS marked = ROW_COUNT;
    -- Here and not at the claim, which an agent waits for.
    PERFORM vibe._mark_live_runs(max(i)) FROM unnest(run_ids) i;
    RETURN marked;
END
$$;
COMMENT ON FUNCTION vibe._mark_started(bigint[], integer[], bigint[], text, text) IS 'Records the supervisor processes of runs that were started; now and then also which runs are live.';

-- Who may be given work now, and how much: the dispatcher's agents by the free slots of their runners, or
-- (only_agents) those that are worked elsewhere.
CREATE OR REPLACE FUNCTION vibe._able_agents(
    runners text[], free_slots integer[], providers text[], fallbacks text[], only_agents text[], max_runs integer,
    at timestamptz
)
    RETURNS vibe._able_agent[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        WITH live AS MATERIALIZED (
            SELECT r.agent_name, r.provider, count(*) AS n FROM vibe._live_runs_now() r GROUP BY r.agent_name, r.provider
        ), runner AS MATERIALIZED (
            SELECT own.name AS asked, used.name, used.provider,
                   CASE WHEN p.name IS NULL THEN used.free::bigint
                        ELSE least(used.free, vibe._provider_room(p, (SELECT coalesce(sum(l.n), 0)::bigint FROM live l WHERE l.provider = used.provider), at))
                   END AS free
              FROM unnest(runners, providers, fallbacks) own(name, provider, fallback)
              LEFT JOIN vibe.providers o ON o.name = own.provider
              JOIN unnest(runners, providers, free_slots) used(name, provider, free)
                ON used.name = CASE WHEN o.paused_until > at AND own.fallback IS NOT NULL THEN own.fallback ELSE own.name END
              LEFT JOIN vibe.providers p ON p.name = used.provider
        ), agent AS (
            SELECT a.name, r.name AS runner, r.provider, r.free AS slots,
                   least(CASE WHEN only_agents IS NULL THEN r.free ELSE max_runs END,
                         a.max_parallel - (SELECT coalesce(sum(l.n), 0) FROM live l WHERE l.agent_name = a.name))::bigint AS free
              FROM vibe.current_agents a
              LEFT JOIN runner r ON only_agents IS NULL AND r.asked = a.runner
             WHERE a.paused_at IS NULL AND CASE WHEN only_agents IS NULL THEN r.free > 0 ELSE a.name = ANY (only_agents) END
        )
        SELECT (a.name, a.runner, a.provider, a.free, a.slots, CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END)::vibe._able_agent FROM agent a WHERE a.free > 0);
END
$$;

-- Tables written: none; locks max_runs work rows that are still ready. What somebody else has locked is left out.
CREATE FUNCTION vibe._take(chosen vibe._candidate[], max_runs integer)
    RETURNS vibe._taken[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT (w, c.runner, c.provider, c.reserve_usd)::vibe._taken
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, reserve_usd, nth)
          JOIN vibe.work w ON w.task_id = c.task_id AND w.branch = c.branch
         WHERE w.state = 'ready' AND w.agent_name = c.agent_name
         ORDER BY c.nth LIMIT max_runs
           FOR UPDATE OF w SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION vibe._take(vibe._candidate[], integer) IS 'Locks the work rows of the first max_runs candidates, skipping those that are locked or not ready any more.';

-- Tables written: runs, work. The work rows are locked by the caller. A token is made here and is nowhere
-- else: what is stored is its hash.
CREATE FUNCTION vibe._open_runs(taken vibe._taken[], at timestamptz)
    RETURNS TABLE (run vibe.runs, token text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH opening AS MATERIALIZED (
            SELECT x.nth, (x.item).*, x.runner, x.provider, x.reserve_usd, x.runner IS NULL AS by_hand, vibe._new_token() AS token
              FROM unnest(taken) WITH ORDINALITY x(item, runner, provider, reserve_usd, nth)
        ), opened AS (
            INSERT INTO vibe.runs AS r (task_id, branch, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                        reserved_usd, token_hash, claimed_at, started_at, renewed_at, session_id, resumed_session)
            SELECT o.task_id, o.branch, o.campaign_id, o.step, o.attempts + 1, t.revision_count, o.agent_name,
                   coalesce(s.model, a.default_model), o.runner, o.provider, CASE WHEN o.by_hand THEN 'hand' ELSE 'dispatcher' END,
                   o.reserve_usd, vibe._token_hash(o.token), at, CASE WHEN o.by_hand THEN at END, CASE WHEN o.by_hand THEN at END,
                   CASE WHEN NOT o.by_hand THEN coalesce(before.session, gen_random_uuid()::text) END, before.session
              FROM opening o
              JOIN vibe.tasks t ON t.id = o.task_id
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = o.branch AND s.step = o.step
              JOIN vibe.current_agents a ON a.name = o.agent_name
             CROSS JOIN LATERAL (
                SELECT CASE WHEN NOT o.by_hand AND EXISTS (SELECT 1 FROM vibe.runs p WHERE p.task_id = o.task_id AND p.branch = o.branch AND p.step = o.step)
                            THEN vibe._session_to_resume(o.task_id, o.branch, o.step, t.revision_count) END AS session
                OFFSET 0) before
             ORDER BY o.nth
            RETURNING r.*
        ), held AS (
            UPDATE vibe.work w SET state = 'held', waiting_for = NULL, ready_at = NULL, run_id = n.id, since = at
              FROM opened n WHERE w.task_id = n.task_id AND w.branch = n.branch
        )
        SELECT n::vibe.runs, o.token FROM opened n JOIN opening o ON o.task_id = n.task_id AND o.branch = n.branch ORDER BY o.nth;
END
$$;
COMMENT ON FUNCTION vibe._open_runs(vibe._taken[], timestamptz) IS 'Opens the runs that hold these work rows, each with a token of its own that is returned here only: held by hand where there is no runner, else dispatched.';

CREATE FUNCTION vibe._known_record(record jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(record) = 'object' AND EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = record ->> 'outcome') THEN
        RETURN record;
    END IF;
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record names no outcome');
END
$$;
COMMENT ON FUNCTION vibe._known_record(jsonb) IS 'An exit record; one that names no outcome counts as bad_result.';

CREATE OR REPLACE FUNCTION vibe._read_record(record text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN vibe._known_record(record::jsonb);
EXCEPTION WHEN data_exception OR statement_too_complex OR program_limit_exceeded THEN
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record cannot be read: ' || left(SQLERRM, 200));
END
$$;

-- What a result does to the task. Whatever it breaks is the caller's to catch.
CREATE FUNCTION vibe._accept(task vibe.tasks, run vibe.runs, record jsonb, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := record ->> 'outcome';
    result jsonb := vibe._result_of(record);
BEGIN
    IF outcome = 'done' THEN
        PERFORM vibe._complete(task, run, nullif(result -> 'output', 'null'), (result ->> 'score')::numeric,
            result ->> 'output_path', result ->> 'summary', record, at);
        IF run.provider IS NOT NULL THEN
            PERFORM vibe._providers_work(ARRAY[run.id]);
        END IF;
    ELSIF outcome = 'revise' THEN
        PERFORM vibe._revise(task, run,
            vibe._revision_target(task, vibe._revision_limit(task, run, run.branch), (result ->> 'target_step')::integer),
            coalesce(nullif(btrim(result ->> 'notes'), ''), nullif(btrim(result ->> 'summary'), ''), 'no notes were given'),
            false, result ->> 'summary', (result ->> 'score')::numeric, record, at);
    END IF;
    RETURN outcome IN ('done', 'revise');
END
$$;
COMMENT ON FUNCTION vibe._accept(vibe.tasks, vibe.runs, jsonb, timestamptz) IS 'Closes an open run that brings a result, and moves its task on or back; false if it brings none.';

-- A run without a result: what its outcome does to its task.
CREATE FUNCTION vibe._reject(task vibe.tasks, run vibe.runs, record jsonb, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := record ->> 'outcome';
    error text := record ->> 'error';
    retry_after interval;
BEGIN
    IF vibe._amount(record -> 'retry_after_s') IS NOT NULL THEN
        retry_after := make_interval(secs => least(vibe._amount(record -> 'retry_after_s'), 30 * 86400)::double precision);
    END IF;
    IF vibe._is_the_providers(run, outcome, record) THEN
        PERFORM vibe._pause_after(run, outcome, coalesce(vibe._reset_time(record, at), at + retry_after), error, at);
        PERFORM vibe._free_work(ARRAY[run.id], at);
    ELSE
        PERFORM vibe._retreat(task, run, outcome, error, coalesce(record -> 'permanent' = 'true', false), retry_after, at);
    END IF;
    PERFORM vibe._close_run(run.id, outcome, error, at);
    RETURN outcome;
END
$$;
COMMENT ON FUNCTION vibe._reject(vibe.tasks, vibe.runs, jsonb, timestamptz) IS 'Closes an open run by an exit record without a result; its step retries, waits or goes back to ready.';

-- Tables written: runs, work, tasks, campaigns, activities. Locks, in order: the task row, at its end the campaign;
-- for a chore's run see _finish_chore(). A record that cannot be read, and a result that breaks a rule (a score of 900, a
-- step that is not there), are undone as a whole and count as bad_result; a lock that could not be had or a full disk is
-- not the record's fault.
CREATE OR REPLACE FUNCTION vibe._finish_run(run_id bigint, record text)
    RETURNS TABLE (accepted boolean, publish_path text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    parsed jsonb;
    task vibe.tasks;
    mine record;
    run vibe.runs;
    has_result boolean := false;
BEGIN
    SELECT t.* INTO task FROM vibe.tasks t
     WHERE t.id = (SELECT r.task_id FROM vibe.runs r WHERE r.id = _finish_run.run_id) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- A chore's, or its task was deleted: then there is nothing to record, and nothing to publish.
        RETURN QUERY SELECT CASE WHEN EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = _finish_run.run_id AND r.task_id IS NULL)
            THEN vibe._finish_chore(_finish_run.run_id, vibe._read_record(_finish_run.record), at) ELSE false END, NULL::text;
        RETURN;
    END IF;
    -- A statement of its own: it sees what was written before the lock was had.
    SELECT r AS run, EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id) AS holds
      INTO STRICT mine FROM vibe.runs r WHERE r.id = _finish_run.run_id;
    run := mine.run;
    BEGIN
        parsed := vibe._known_record(_finish_run.record::jsonb);
        IF run.closed_at IS NULL AND mine.holds THEN
            has_result := vibe._accept(task, run, parsed, at);
        END IF;
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure
        OR insufficient_resources OR operator_intervention OR system_error THEN
        RAISE;
    WHEN OTHERS THEN
        parsed := coalesce(parsed, '{}') || jsonb_build_object('outcome', 'bad_result', 'error',
            CASE WHEN parsed IS NULL THEN 'the exit record cannot be read: ' || left(SQLERRM, 200)
                 ELSE format('its result was refused: %s (%s)', left(SQLERRM, 500), SQLSTATE) END);
    END;
    IF has_result THEN
        PERFORM vibe._wake(true);
        RETURN QUERY SELECT true, CASE WHEN vibe._may_be_staged(parsed) THEN vibe._publish_path(task, run) END;
        RETURN;
    ELSIF run.closed_at IS NULL AND mine.holds THEN
        PERFORM vibe._reject(task, run, parsed, at);
    ELSIF run.closed_at IS NULL THEN
        PERFORM vibe._close_run(run.id, 'lost', 'it did not hold its step any more', at);
    END IF;
    IF run.ended_at IS NULL THEN
        SELECT * INTO STRICT run FROM vibe._end_runs(ARRAY[(run.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, parsed)::vibe._run_end], at);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT run.outcome IN ('done', 'revise'),
        CASE WHEN vibe._may_be_staged(parsed) AND (run.outcome = 'revise' OR (run.outcome = 'done' AND NOT run.superseded))
             THEN vibe._publish_path(task, run) END;
END
$$;

-- Most ends are these, and the next agent waits for them: few statements find and write what is to be done.
-- Tables written: runs, work, tasks, providers. Locks: the tasks, ids ascending; where other ends follow in the
-- transaction the caller has them, and those of chores, before (_lock_runs).
CREATE FUNCTION vibe._finish_plain_runs(run_ids bigint[], records text[])
    RETURNS TABLE (run_id bigint, publish_path text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    items vibe._completion[] := ARRAY(
        SELECT vibe._completion_of(p.nth, p.run_id, p.record)
          FROM (SELECT u.nth, u.run_id, u.record::jsonb AS record
                  FROM unnest(run_ids, records) WITH ORDINALITY u(run_id, record, nth) OFFSET 0) p
         WHERE jsonb_typeof(p.record) = 'object' AND p.record ->> 'outcome' = 'done');
    moves vibe._plain_move[];
BEGIN
    IF items = '{}' THEN
        RETURN;
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id = ANY (ARRAY(SELECT r.task_id FROM vibe.runs r WHERE r.id = ANY (run_ids))) ORDER BY t.id FOR NO KEY UPDATE;
    moves := vibe._move_plainly(items, at);
    IF moves = '{}' THEN
        RETURN;
    END IF;
    PERFORM vibe._providers_work(ARRAY(SELECT m.run_id FROM unnest(moves) m))
       FROM (SELECT FROM vibe.providers p WHERE p.paused_until IS NOT NULL LIMIT 1) paused;
    PERFORM vibe._wake(true);
    RETURN QUERY
        SELECT m.run_id, CASE WHEN vibe._may_be_staged(i.record) THEN (
                   SELECT vibe._publish_path(t, r) FROM vibe.runs r JOIN vibe.tasks t ON t.id = r.task_id WHERE r.id = m.run_id) END
          FROM unnest(moves) m JOIN unnest(items) i ON i.nth = m.nth;
END
$$;
COMMENT ON FUNCTION vibe._finish_plain_runs(bigint[], text[]) IS 'Of dispatched runs whose processes have ended, finishes those set-wise that are done and after which just the next step is ready, and returns them; the others are _finish_run()''s. Any error is a reason to finish all of them one by one.';

-- Tables written: work, runs; at a ceiling budget_crossings, activities. Locks: the limits that are in play (tried),
-- the taken work rows (SKIP LOCKED).
CREATE OR REPLACE FUNCTION vibe.claim_runs(agent_names text[], max_runs integer DEFAULT 1)
    RETURNS TABLE (run_id bigint, lock_token text, task_id bigint, branch text, step integer, agent_name text, input jsonb)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    unknown text;
    able vibe._able_agent[];
    outlook record;
    ceilings vibe._ceiling[] := ARRAY[]::vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    taken vibe._taken[];
    opened record;
    spare integer;
BEGIN
    IF coalesce(cardinality(claim_runs.agent_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('agent_names', claim_runs.agent_names::text, 'Name at least one agent.');
    ELSIF (claim_runs.max_runs BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_runs', claim_runs.max_runs::text, 'Use 1 to 1000.');
    END IF;
    FOR unknown IN SELECT n FROM unnest(claim_runs.agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n) LOOP
        PERFORM vibe._agent_not_found(unknown);
    END LOOP;
    SELECT * INTO outlook FROM vibe._claim_outlook(at);
    IF outlook.is_draining THEN
        RETURN;
    END IF;
    IF outlook.has_limits THEN
        able := vibe._able_agents('{}', '{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs, at);
        ceilings := vibe._ceilings_in_play(at);
    ELSE
        able := vibe._unlimited_agents('{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs);
    END IF;
    -- Others claim at the same moment: whoever comes second takes what follows, and looks further the more of it is
    -- locked. Not at once, as the limits of what is only looked at are held, too.
    FOREACH spare IN ARRAY '{0,8,64,512}'::integer[] LOOP
        chosen := vibe._choose(able, ceilings, claim_runs.max_runs, spare);
        within := CASE WHEN outlook.has_limits THEN vibe._within_limits(chosen, at) ELSE chosen END;
        taken := vibe._take(within, claim_runs.max_runs);
        EXIT WHEN cardinality(taken) >= least(claim_runs.max_runs, cardinality(within));
    END LOOP;
    IF outlook.has_limits THEN
        PERFORM vibe._note_crossings(ceilings, '{}', '{}', at);
        -- The dispatcher may have left work out because this transaction was counting its limit.
        PERFORM vibe._wake(false) WHERE vibe._limits_of(chosen) <> '{}';
    END IF;
    IF taken = '{}' THEN
        RETURN;
    END IF;
    FOR opened IN SELECT o.*, (o.run).* FROM vibe._open_runs(taken, at) o LOOP
        run_id := opened.id;
        lock_token := opened.token;
        task_id := opened.task_id;
        branch := opened.branch;
        step := opened.step;
        agent_name := opened.agent_name;
        input := vibe._launch(opened.run, NULL) - 'token';
        RETURN NEXT;
    END LOOP;
    PERFORM vibe._mark_live_runs(run_id);
END
$$;

-- Tables written: as complete_step(). Locks, in order: all the tasks, ids ascending; at a task's end its campaign.
CREATE OR REPLACE FUNCTION vibe.complete_steps(results jsonb)
    RETURNS TABLE (task_id bigint, branch text, completed boolean, next_step integer, next_agent text, task_status text,
                   task_completed boolean, error_code text, error text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    moves vibe._plain_move[];
    result record;
BEGIN
    IF (jsonb_typeof(complete_steps.results) = 'array' AND jsonb_array_length(complete_steps.results) <= 10000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('results', left(complete_steps.results::text, 100),
            'Use an array of at most 10000 objects with the arguments of complete_step().');
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id IN (SELECT r.task_id FROM vibe._results(complete_steps.results) r) ORDER BY t.id FOR NO KEY UPDATE;
    moves := vibe._complete_plain_results(complete_steps.results, at);
    FOR result IN
        SELECT r.*, m.run_id AS moved_run, m.next_step, m.next_agent, m.task_status
          FROM vibe._results(complete_steps.results) r LEFT JOIN unnest(moves) m ON m.nth = r.nth
         ORDER BY r.task_id, r.nth
    LOOP
        task_id := result.task_id;
        branch := result.branch;
        IF result.moved_run IS NOT NULL THEN
            completed := true;
            next_step := result.next_step;
            next_agent := result.next_agent;
            task_status := result.task_status;
            task_completed := false;
            error_code := NULL;
            error := NULL;
        ELSE
            SELECT * INTO completed, next_step, next_agent, task_status, task_completed, error_code, error
              FROM vibe._try_complete(result.task_id, result.agent_name, result.lock_token, result.output, result.quality_score,
                                      result.output_path, result.branch, result.summary);
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM vibe._wake(true) WHERE moves <> '{}';
END
$$;

-- Tables written: runs, work, tasks. The tasks are locked by the caller. What is refused as a whole (a status of the
-- user's own that may not follow) is left to be done one by one, where each gets its own answer.
CREATE FUNCTION vibe._complete_plain_results(results jsonb, at timestamptz)
    RETURNS vibe._plain_move[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    items vibe._completion[] := ARRAY(
        SELECT DISTINCT ON (x.id) (r.nth, x.id, r.output, r.quality_score, r.output_path, r.summary, NULL)::vibe._completion
          FROM vibe._results(results) r
          JOIN vibe.runs x ON x.task_id = r.task_id AND x.token_hash = vibe._token_hash(r.lock_token)
           AND x.agent_name = r.agent_name AND x.branch = r.branch
         ORDER BY x.id, r.nth);
BEGIN
    RETURN vibe._move_plainly(items, at);
EXCEPTION WHEN SQLSTATE 'VB020' OR data_exception OR integrity_constraint_violation THEN
    RETURN ARRAY[]::vibe._plain_move[];
END
$$;
COMMENT ON FUNCTION vibe._complete_plain_results(jsonb, timestamptz) IS 'Of complete_steps()''s results, completes those set-wise whose token is good and after which just the next step is ready; returns what became of them.';

CREATE FUNCTION vibe._try_complete(
    task_id bigint, agent_name text, lock_token text, output jsonb, quality_score numeric, output_path text, branch text, summary text,
    OUT completed boolean, OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean,
    OUT error_code text, OUT error text
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO STRICT completed, next_step, next_agent, task_status, task_completed
      FROM vibe.complete_step(task_id, agent_name, lock_token, output, quality_score, output_path, branch, summary);
EXCEPTION WHEN SQLSTATE 'VB003' OR SQLSTATE 'VB004' OR SQLSTATE 'VB011' OR SQLSTATE 'VB012' OR SQLSTATE 'VB013'
    OR SQLSTATE 'VB020' OR SQLSTATE 'VB030' OR SQLSTATE 'VB060' THEN
    completed := false;
    error_code := SQLSTATE;
    error := SQLERRM;
END
$$;
COMMENT ON FUNCTION vibe._try_complete(bigint, text, text, jsonb, numeric, text, text, text) IS 'complete_step() as a row that says why where it is refused.';

-- Tables written: runs, chores, deliveries, providers, activities, notifications. Locks, in order: the chore, the
-- provider.
CREATE OR REPLACE FUNCTION vibe._finish_chore(run_id bigint, record jsonb, at timestamptz)
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

-- What the reader of a message outside can do about it: one call, to be typed where the inbox would have a button.
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

CREATE FUNCTION vibe._result_of(record jsonb)
    RETURNS jsonb
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(record -> 'result') = 'object' THEN record -> 'result' ELSE '{}' END;
END;
COMMENT ON FUNCTION vibe._result_of(jsonb) IS 'The result that an exit record brings; an empty object where it brings none.';

-- What a result says that is done, as complete_step() would be told it.
CREATE FUNCTION vibe._completion_of(nth bigint, run_id bigint, record jsonb)
    RETURNS vibe._completion
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (nth, run_id, nullif(vibe._result_of(record) -> 'output', 'null'), (vibe._result_of(record) ->> 'score')::numeric,
            vibe._result_of(record) ->> 'output_path', vibe._result_of(record) ->> 'summary', record)::vibe._completion;
END;
COMMENT ON FUNCTION vibe._completion_of(bigint, bigint, jsonb) IS 'The result that an exit record brings, as a completion of its run.';

CREATE OR REPLACE FUNCTION vibe._choose(able vibe._able_agent[], ceilings vibe._ceiling[], max_runs integer, spare integer)
    RETURNS vibe._candidate[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    -- Chores serve no campaign; the look back is short, however many of them there were.
    last_served bigint := coalesce((SELECT r.campaign_id FROM (SELECT l.* FROM vibe.runs l ORDER BY l.id DESC LIMIT 20) r
                                     WHERE r.kind = 'task' ORDER BY r.id DESC LIMIT 1), 0);
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE live AS MATERIALIZED (
            SELECT r.task_id, r.branch, r.campaign_id FROM vibe._live_runs_now() r
        ), load AS MATERIALIZED (
            SELECT l.campaign_id, count(*) AS n FROM live l GROUP BY l.campaign_id
        ), level AS (
            SELECT a.agent_name, h.priority, h.campaign_id, h.since
              FROM unnest(able) a
             CROSS JOIN LATERAL (
                SELECT w.priority, w.campaign_id, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = a.agent_name
                 ORDER BY w.priority, w.campaign_id, w.since LIMIT 1) h
            UNION ALL
            SELECT l.agent_name, h.priority, h.campaign_id, h.since
              FROM level l
             CROSS JOIN LATERAL (
                SELECT w.priority, w.campaign_id, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority > l.priority
                 ORDER BY w.priority, w.campaign_id, w.since LIMIT 1) h
        ), stop AS (
            SELECT l.agent_name, l.priority, l.campaign_id AS first_campaign, l.since AS first_since, NULL::bigint AS campaign_id,
                   NULL::timestamptz AS since, last_served AS place, false AS wrapped, false AS is_open, 0 AS idle
              FROM level l
            UNION ALL
            SELECT s.agent_name, s.priority, s.first_campaign, s.first_since, following.campaign_id, following.since,
                   CASE WHEN c.is_open THEN following.campaign_id ELSE coalesce((
                       SELECT c.id - 1 FROM vibe.campaigns c WHERE c.id > following.campaign_id AND c.status IN ('active', 'in_revision')
                        ORDER BY c.id LIMIT 1), 9223372036854775807) END,
                   following.wrapped, m.affords,
                   s.idle + (m.affords AND following.campaign_id NOT IN (SELECT x.campaign_id FROM load x))::integer
              FROM stop s
             CROSS JOIN LATERAL (
                SELECT s.first_campaign, s.first_since, s.wrapped WHERE s.place < s.first_campaign
                UNION ALL
                (SELECT w.campaign_id, w.since, s.wrapped FROM vibe.work w
                  WHERE s.place >= s.first_campaign
                    AND w.state = 'ready' AND w.agent_name = s.agent_name AND w.priority = s.priority AND w.campaign_id > s.place
                    AND w.campaign_id <= CASE WHEN s.wrapped THEN last_served ELSE 9223372036854775807 END
                  ORDER BY w.campaign_id, w.since LIMIT 1)
                UNION ALL
                SELECT s.first_campaign, s.first_since, true WHERE NOT s.wrapped
                LIMIT 1) following(campaign_id, since, wrapped)
             CROSS JOIN LATERAL (
                SELECT following.campaign_id = 0
                    OR (SELECT c.status IN ('active', 'in_revision') FROM vibe.campaigns c WHERE c.id = following.campaign_id) AS is_open
                OFFSET 0) c
             CROSS JOIN LATERAL (
                SELECT c.is_open AND (ceilings = '{}' OR coalesce((SELECT p.runs FROM unnest(able) a, vibe._purse(following.campaign_id, a, ceilings) p
                                                                    WHERE a.agent_name = s.agent_name), 1) > 0) AS affords
                OFFSET 0) m
             WHERE s.idle < max_runs AND NOT (following.wrapped AND following.campaign_id > last_served)
        ), lane AS (
            SELECT s.campaign_id, s.since, s.agent_name, s.priority, a.runner, a.provider, a.slots, p.reserve_usd, p.asks_task, coalesce(x.n, 0) AS load,
                   max(s.idle) OVER (PARTITION BY s.agent_name, s.priority) >= max_runs AS one_each,
                   least(a.free, c.max_parallel - coalesce(x.n, 0), max_runs, p.runs) AS free
              FROM stop s
              JOIN unnest(able) a ON a.agent_name = s.agent_name
              LEFT JOIN load x ON x.campaign_id = s.campaign_id
              LEFT JOIN vibe.campaigns c ON c.id = s.campaign_id
             CROSS JOIN LATERAL (SELECT ceilings = '{}' AND num_nonnulls(c.budget_usd, c.task_budget_usd) = 0 AS is_unlimited OFFSET 0) u
             CROSS JOIN LATERAL (
                SELECT coalesce(c.run_budget_usd, a.run_budget_usd) AS reserve_usd, NULL::bigint AS runs, false AS asks_task WHERE u.is_unlimited
                UNION ALL
                SELECT y.reserve_usd, y.runs, y.asks_task FROM vibe._purse(s.campaign_id, a, ceilings) y WHERE NOT u.is_unlimited) p
             WHERE s.is_open
        ), candidate AS (
            SELECT l.campaign_id, l.agent_name, l.priority, l.runner, l.provider, l.slots, l.reserve_usd, first.*,
                   l.load + row_number() OVER (PARTITION BY l.campaign_id ORDER BY l.priority, first.since, first.task_id) AS turn
              FROM lane l
             CROSS JOIN LATERAL (
                SELECT w.task_id, w.branch, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority = l.priority AND w.campaign_id = l.campaign_id
                   AND w.since >= l.since
                   AND (w.task_id, w.branch) NOT IN (SELECT v.task_id, v.branch FROM live v WHERE v.task_id IS NOT NULL)
                   AND CASE WHEN l.asks_task THEN vibe._task_fits(w.task_id, l.reserve_usd, ceilings) ELSE true END
                 ORDER BY w.since, w.task_id
                 LIMIT CASE WHEN l.one_each THEN 1 ELSE l.free END + spare) first
             WHERE l.free > 0
        ), ranked AS (
            SELECT c.*, row_number() OVER in_order AS place FROM candidate c
            WINDOW in_order AS (ORDER BY c.priority, c.turn, c.campaign_id <= last_served, c.campaign_id, c.since, c.task_id)
        )
        SELECT (r.task_id, r.branch, r.campaign_id, r.agent_name, r.runner, r.provider, r.reserve_usd)::vibe._candidate
          FROM (SELECT r.*, row_number() OVER (PARTITION BY r.runner ORDER BY r.place) AS nth FROM ranked r) r
         WHERE r.runner IS NULL OR r.nth <= r.slots
         ORDER BY r.place LIMIT max_runs + spare);
END
$$;

CREATE OR REPLACE FUNCTION vibe.complete_step(
    task_id bigint, agent_name text, lock_token text DEFAULT NULL, output jsonb DEFAULT NULL,
    quality_score numeric DEFAULT NULL, output_path text DEFAULT NULL, branch text DEFAULT '', summary text DEFAULT NULL
)
    RETURNS TABLE (completed boolean, next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(complete_step.task_id);
    run vibe.runs := vibe._run_of(task.id, complete_step.agent_name, complete_step.lock_token, coalesce(complete_step.branch, ''));
    reply jsonb := run.answer;
    items vibe._completion[];
    moves vibe._plain_move[];
BEGIN
    IF reply IS NULL THEN
        items := ARRAY[(1, run.id, complete_step.output, complete_step.quality_score, complete_step.output_path, complete_step.summary, NULL)::vibe._completion];
        moves := vibe._move_plainly(items, at);
        IF moves <> '{}' THEN
            reply := vibe._answer(moves[1].next_step, moves[1].next_agent, moves[1].task_status, false);
        ELSE
            reply := vibe._complete(task, run, complete_step.output, complete_step.quality_score,
                complete_step.output_path, complete_step.summary, NULL, at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT true, (reply ->> 'next_step')::integer, reply ->> 'next_agent',
        reply ->> 'task_status', (reply ->> 'task_completed')::boolean;
END
$$;

REVOKE ALL ON FUNCTION
    vibe._move_to, vibe._compare_with_reserve, vibe._end_runs, vibe._stays_in_workspace, vibe._answer, vibe._move_plainly, vibe._providers_work, vibe._claim_outlook, vibe._take, vibe._open_runs, vibe._known_record, vibe._accept, vibe._reject, vibe._finish_plain_runs, vibe._result_of, vibe._completion_of, vibe._complete_plain_results, vibe._try_complete
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._claim_outlook, vibe._known_record, vibe._answer, vibe._stays_in_workspace, vibe._result_of, vibe._completion_of TO vibe_viewer;

-- Many tasks at once: nothing is looked up for each of them.
CREATE OR REPLACE FUNCTION vibe._keyword_tasks(campaign vibe.campaigns, last_number integer, last_keyword integer, how_many integer)
    RETURNS TABLE (number integer, keyword_number integer, keyword text, slug text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_nestloop = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH bases AS (
            SELECT k.i, btrim(k.keyword) AS keyword, vibe._slug(k.keyword) AS base
              FROM unnest(campaign.seed_keywords) WITH ORDINALITY k(keyword, i)
             WHERE k.i > last_keyword AND k.i <= last_keyword + how_many
        ), firsts AS (
            SELECT b.*, row_number() OVER (PARTITION BY b.base ORDER BY b.i) = 1 AS is_first FROM bases b
        ), taken AS (
            SELECT t.slug FROM vibe.tasks t
             WHERE t.campaign_id = campaign.id AND t.slug <> 'task-' || t.number::text
        )
        SELECT n.number, f.i::integer, f.keyword,
               CASE WHEN f.base = '' THEN 'task-' || n.number
                    WHEN f.is_first AND taken.slug IS NULL AND f.base !~ '^task-[0-9]+$' THEN f.base
                    ELSE f.base || '--' || n.number END
          FROM firsts f
         CROSS JOIN LATERAL (SELECT last_number + (f.i - last_keyword)::integer AS number) n
          LEFT JOIN taken ON taken.slug = f.base
         ORDER BY f.i;
END
$$;
COMMENT ON FUNCTION vibe._keyword_tasks(vibe.campaigns, integer, integer, integer) IS 'The tasks that the next seed keywords of a campaign are the topics of, how_many at most, in order.';
REVOKE ALL ON FUNCTION vibe._keyword_tasks(vibe.campaigns, integer, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._keyword_tasks(vibe.campaigns, integer, integer, integer) TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._create_tasks(campaign vibe.campaigns, how_many integer, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry record;
    last_number integer;
    last_keyword integer;
    with_keyword integer;
    created bigint;
BEGIN
    -- Numbers ascend with ids: both are drawn under the campaign's lock.
    SELECT t.number, t.keyword_number INTO last_number, last_keyword FROM vibe.tasks t
     WHERE t.id = (vibe._task_page(NULL, campaign.id, NULL, 1, NULL))[1];
    last_number := coalesce(last_number, 0);
    last_keyword := coalesce(last_keyword, (SELECT max(t.keyword_number) FROM vibe.tasks t WHERE t.campaign_id = campaign.id), 0);
    -- Of a batch: behind those before it, also where the last of them was deleted.
    last_number := greatest(last_number, campaign.target_article_count - campaign.tasks_to_create - how_many);
    last_keyword := greatest(last_keyword, campaign.target_article_count - campaign.tasks_to_create - how_many);
    with_keyword := least(how_many, greatest(cardinality(campaign.seed_keywords) - last_keyword, 0));
    IF last_number + how_many + coalesce(campaign.tasks_to_create, 0) > 1000000 THEN
        PERFORM vibe._campaign_full(campaign.id, last_number + coalesce(campaign.tasks_to_create, 0), how_many);
    END IF;
    SELECT * INTO entry FROM vibe._next_stop(campaign.pipeline_version_id, -1, false, campaign.deliverables, '{}');
    WITH new_tasks AS (
        INSERT INTO vibe.tasks (project_id, campaign_id, pipeline_version_id, number, title, slug, keyword, keyword_number, step, created_at, updated_at)
        SELECT campaign.project_id, campaign.id, campaign.pipeline_version_id, n.number, n.title, n.slug, n.keyword,
               n.keyword_number, entry.next_step, at, at
          -- In the order of the numbers as it is; a sort of a million rows would be half of their price again.
          FROM (SELECT k.number, k.keyword AS title, k.slug, k.keyword, k.keyword_number
                  FROM vibe._keyword_tasks(campaign, last_number, last_keyword, with_keyword) k
                 WHERE with_keyword > 0
                 UNION ALL
                SELECT last_number + i, campaign.name || ' #' || last_number + i, 'task-' || last_number + i, NULL, last_keyword + i
                  FROM generate_series(with_keyword + 1, how_many) i) n
        RETURNING id
    ), branches AS (
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT t.id, s.branch, campaign.id, 0, s.agent_name, 'ready', vibe._priority_rank('medium'), at
          FROM new_tasks t
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = campaign.pipeline_version_id AND s.branch = ANY (entry.opened)
         WHERE entry.opened <> '{}'
    )
    INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since)
    SELECT t.id, '', campaign.id, entry.next_step, entry.next_agent,
           CASE WHEN entry.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, entry.waiting_for,
           vibe._priority_rank('medium'), at
      FROM new_tasks t;
    GET DIAGNOSTICS created = ROW_COUNT;
    PERFORM vibe._notify('approval_needed', format('%s new tasks of campaign "%s" wait for approval.', created, campaign.name),
        NULL, campaign.project_id, campaign.id) WHERE entry.waiting_for = 'approval';
    RETURN created;
END
$$;
COMMENT ON FUNCTION vibe._create_tasks(vibe.campaigns, integer, timestamptz) IS 'Creates tasks of a campaign and makes their first step ready, in one statement; its tasks_to_create are those that come later. Raises VB034.';

-- References that no foreign key holds any more.
ALTER TABLE vibe.tasks
    DROP CONSTRAINT tasks_project_id_fkey,
    DROP CONSTRAINT tasks_campaign_id_fkey,
    DROP CONSTRAINT tasks_pipeline_version_id_fkey,
    DROP CONSTRAINT tasks_status_fkey;
ALTER TABLE vibe.work DROP CONSTRAINT work_task_id_fkey;

CREATE FUNCTION vibe._refuse_while_tasks_refer()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key text := CASE WHEN TG_LEVEL = 'ROW' THEN to_jsonb(OLD) ->> TG_ARGV[1] END;
    referred boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.%I %s)', TG_ARGV[0],
        coalesce('= ' || quote_literal(key), 'IS NOT NULL')) INTO referred;
    IF referred THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('%s of "%s" would leave tasks behind that refer to it', lower(TG_OP), TG_TABLE_NAME),
            DETAIL = format('%s is still referred to by tasks.%s.', coalesce(format('Key %s=%s', TG_ARGV[1], key), 'A row'), TG_ARGV[0]),
            SCHEMA = 'vibe', TABLE = 'tasks', COLUMN = TG_ARGV[0];
    END IF;
    IF TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION vibe._refuse_while_tasks_refer() IS 'Refuses to delete what a task refers to, or to change its key. Raises 23503.';

CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.projects
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('project_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.campaigns
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('campaign_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.pipeline_versions
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('pipeline_version_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF status ON vibe.task_statuses
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('status', 'status');

-- After: what is truncated in the same statement is empty by then.
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.projects
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('project_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.campaigns
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('campaign_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.pipeline_versions
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('pipeline_version_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.task_statuses
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('status', 'status');

CREATE FUNCTION vibe._drop_work_of_tasks()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE vibe.work;
    ELSE
        DELETE FROM vibe.work w WHERE w.task_id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._drop_work_of_tasks() IS 'Work goes with its task.';

CREATE TRIGGER work_goes_with_its_task
    AFTER DELETE ON vibe.tasks
    FOR EACH ROW EXECUTE FUNCTION vibe._drop_work_of_tasks();
CREATE TRIGGER work_goes_with_all_tasks
    AFTER TRUNCATE ON vibe.tasks
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._drop_work_of_tasks();
REVOKE ALL ON FUNCTION vibe._refuse_while_tasks_refer(), vibe._drop_work_of_tasks() FROM PUBLIC;

-- A slug that is the task's number is neither matched nor indexed.
ALTER TABLE vibe.tasks
    DROP CONSTRAINT slug_is_one_safe_path_element,
    ADD CONSTRAINT slug_is_one_safe_path_element CHECK (slug = 'task-' || number::text
        OR slug ~ '^[a-z0-9][a-z0-9-]*$' AND length(slug) <= 100 AND slug !~ '^task-[0-9]+$');
DROP INDEX vibe.tasks_slug_in_campaign_idx;
CREATE UNIQUE INDEX tasks_slug_in_campaign_idx ON vibe.tasks (campaign_id, slug)
    WHERE campaign_id IS NOT NULL AND slug <> 'task-' || number::text;

CREATE OR REPLACE FUNCTION vibe._free_slug(task vibe.tasks)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    base text := vibe._slug(task.title);
BEGIN
    RETURN CASE
        WHEN base = '' THEN 'task-' || task.number
        WHEN base ~ '^task-[0-9]+$'
          OR EXISTS (SELECT 1 FROM vibe.tasks t
                      WHERE t.campaign_id = task.campaign_id AND t.slug = base AND t.slug <> 'task-' || t.number::text)
          OR EXISTS (SELECT 1 FROM vibe.tasks t
                      WHERE task.campaign_id IS NULL AND t.project_id = task.project_id AND t.campaign_id IS NULL AND t.slug = base)
            THEN base || '--' || task.number
        ELSE base END;
END
$$;
COMMENT ON FUNCTION vibe._free_slug(vibe.tasks) IS 'The slug of a task that is being created, unique among those whose files share its directory.';

-- Pages of tasks are ranges of the indexes that lead by status.
DROP INDEX vibe.tasks_campaign_idx, vibe.tasks_project_idx;
CREATE OR REPLACE FUNCTION vibe._task_page(project_id bigint, campaign_id bigint, status text, max_rows integer, after_id bigint)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    project bigint := _task_page.project_id;
    campaign bigint := _task_page.campaign_id;
    wanted text := _task_page.status;
    below bigint := coalesce(after_id, 9223372036854775807);
BEGIN
    IF campaign IS NOT NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.task_statuses s
            CROSS JOIN LATERAL (
                SELECT t.id FROM vibe.tasks t
                 WHERE t.campaign_id = campaign AND (t.status, t.id) < (s.status, below) AND t.status >= s.status
                 ORDER BY t.status DESC, t.id DESC LIMIT max_rows) t
            WHERE s.status = coalesce(wanted, s.status)
            ORDER BY t.id DESC LIMIT max_rows);
    ELSIF project IS NULL AND wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id < below ORDER BY t.id DESC LIMIT max_rows);
    END IF;
    RETURN ARRAY(SELECT t.id FROM vibe.projects p
        CROSS JOIN vibe.task_statuses s
        CROSS JOIN LATERAL (
            SELECT t.id FROM vibe.tasks t
             WHERE t.project_id = p.id AND (t.status, t.id) < (s.status, below) AND t.status >= s.status
             ORDER BY t.status DESC, t.id DESC LIMIT max_rows) t
        WHERE p.id = coalesce(project, p.id) AND s.status = coalesce(wanted, s.status)
        ORDER BY t.id DESC LIMIT max_rows);
END
$$;
COMMENT ON FUNCTION vibe._task_page(bigint, bigint, text, integer, bigint) IS 'The ids of one page of tasks, newest first.';

CREATE OR REPLACE FUNCTION vibe._last_number(project_id bigint, campaign_id bigint)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN coalesce(CASE WHEN _last_number.campaign_id IS NULL THEN (
            SELECT t.number FROM vibe.tasks t WHERE t.project_id = _last_number.project_id AND t.campaign_id IS NULL
             ORDER BY t.id DESC LIMIT 1)
        ELSE (SELECT t.number FROM vibe.tasks t
               WHERE t.id = (vibe._task_page(NULL, _last_number.campaign_id, NULL, 1, NULL))[1]) END, 0);
END
$$;
COMMENT ON FUNCTION vibe._last_number(bigint, bigint) IS 'The number of the newest task of a campaign, or of those of a project that have none.';

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
    SELECT f.model INTO fallback_model
      FROM vibe.current_agents a JOIN unnest(runners, fallback_models) f(runner, model) ON f.runner = a.runner
     WHERE a.name = run.agent_name AND a.runner <> run.runner;
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
    outlook record;
    able vibe._able_agent[];
    ceilings vibe._ceiling[] := ARRAY[]::vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    taken vibe._taken[];
    has_fallback_models boolean := array_remove(fallback_models, NULL) <> '{}';
    opened record;
BEGIN
    SELECT o.*, r.* INTO outlook
      FROM vibe._claim_outlook(at) o,
           (SELECT count(*) AS ready, min(w.task_id) AS task_id, min(w.branch) AS branch
              FROM (SELECT w.task_id, w.branch FROM vibe.work w WHERE w.state = 'ready' LIMIT 2) w) r;
    -- Whoever claims must know that this is the data's home, also in the middle of a restore.
    IF outlook.is_draining OR NOT outlook.is_home THEN
        RETURN;
    END IF;
    IF outlook.has_chores THEN
        RETURN QUERY SELECT c.run_id, c.runner, c.run, true FROM vibe._claim_chore(runners, free_slots, providers, fallbacks, fallback_models, at) c;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    more := false;
    IF outlook.ready = 0 THEN
        RETURN;
    ELSIF outlook.ready = 1 AND NOT outlook.has_limits THEN
        taken := vibe._take_the_only_one(outlook.task_id, outlook.branch, runners, free_slots, providers);
    ELSE
        IF outlook.has_limits THEN
            able := vibe._able_agents(runners, free_slots, providers, fallbacks, NULL, max_runs, at);
            ceilings := vibe._ceilings_in_play(at);
        ELSE
            able := vibe._unlimited_agents(runners, free_slots, providers, NULL, max_runs);
        END IF;
        chosen := vibe._choose(able, ceilings, max_runs, 0);
        within := chosen;
        IF outlook.has_limits THEN
            PERFORM vibe._note_crossings(ceilings, runners, providers, at);
            within := vibe._within_limits(chosen, at);
        END IF;
        more := cardinality(within) < cardinality(chosen);
        taken := vibe._take(within, max_runs);
    END IF;
    IF taken = '{}' THEN
        RETURN;
    END IF;
    IF outlook.has_limits THEN
        UPDATE vibe.providers p SET probed_at = at
         WHERE p.name IN (SELECT x.provider FROM unnest(taken) x) AND p.paused_until <= at AND p.probed_at IS NULL;
    END IF;
    FOR opened IN SELECT * FROM vibe._open_runs(taken, at) LOOP
        run_id := (opened.run).id;
        runner := (opened.run).runner;
        -- Most runner files name none.
        IF has_fallback_models THEN
            opened.run := vibe._take_fallback_model(opened.run, runners, fallback_models);
        END IF;
        run := vibe._launch(opened.run, opened.token);
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

-- A page of the queue costs what its rows cost.
CREATE INDEX work_queue_idx ON vibe.work (priority, since, task_id, branch) WHERE state <> 'held';
CREATE OR REPLACE VIEW vibe.queue AS
    SELECT q.task_id, t.title AS task, q.branch, coalesce(t.label, q.kind) AS step, q.agent_name AS agent, t.priority,
           CASE WHEN q.task_id IS NULL THEN CASE WHEN a.paused_at IS NOT NULL THEN 'agent paused' ELSE 'ready' END
                WHEN q.state = 'waiting' THEN q.waiting_for
                WHEN c.status NOT IN ('active', 'in_revision') THEN 'campaign ' || c.status
                ELSE q.state END AS waits_for,
           q.since, q.ready_at AS until, q.rank
      FROM (SELECT w.state <> 'held' AS is_listed, w.priority AS rank, w.since, w.task_id, w.branch, w.campaign_id, w.step,
                   w.agent_name, w.state, w.waiting_for, w.ready_at, NULL::text AS kind
              FROM vibe.work w
            UNION ALL
            SELECT h.run_id IS NULL AND h.agent_name IS NOT NULL, -2::smallint, h.ready_at, NULL::bigint, ''::text, NULL::bigint, NULL::integer,
                   h.agent_name, NULL::text, NULL::text, NULL::timestamptz, h.kind
              FROM vibe.chores h) q
      LEFT JOIN LATERAL (
            SELECT t.title, t.priority, s.label
              FROM vibe.tasks t
              LEFT JOIN vibe.pipeline_steps s
                ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = q.branch AND s.step = q.step
             WHERE t.id = q.task_id LIMIT 1) t ON true
      LEFT JOIN LATERAL (SELECT c.status FROM vibe.campaigns c WHERE c.id = q.campaign_id LIMIT 1) c ON true
      LEFT JOIN LATERAL (
            SELECT a.paused_at FROM vibe.current_agents a WHERE a.name = q.agent_name AND q.task_id IS NULL LIMIT 1) a ON true
     WHERE q.is_listed
     ORDER BY q.rank, q.since, q.task_id, q.branch;
COMMENT ON VIEW vibe.queue IS 'What is ready or waiting, and for what: heartbeats, which have no task, go first, then by rank (-1 put first by dispatch_agent(), 0 urgent to 3 low) and since. The page after a row is WHERE (rank, since, task_id, branch) > (those of that row) LIMIT n.';

-- Settings have one door.
CREATE FUNCTION vibe._setting_text(name text)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT current_setting('vibe_orchestrator.' || name);
END;
COMMENT ON FUNCTION vibe._setting_text(text) IS 'A setting of ours.';
REVOKE ALL ON FUNCTION vibe._setting_text FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._setting_text TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._setting(name text)
    RETURNS interval
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._setting_text(name)::interval;
END;

CREATE OR REPLACE FUNCTION vibe._why_no_slot(item vibe.work, provider vibe.providers, at timestamptz)
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

CREATE OR REPLACE FUNCTION vibe._health_runners()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reason text;
BEGIN
    RETURN QUERY
        SELECT 'runner ' || r.name, CASE WHEN r.problem IS NULL AND r.executable THEN 'ok' ELSE 'fail' END,
               coalesce(r.problem, CASE WHEN r.executable THEN r.program ELSE r.program || ' is not an executable file' END),
               CASE WHEN r.problem IS NOT NULL OR NOT r.executable THEN 'Correct the runner file, or install the program.' END
          FROM vibe.runners() r ORDER BY r.name;
    RETURN QUERY
        SELECT 'runner ' || a.runner, 'fail', format('agents that work has been given to name it (%s), but it is not in the runner file', string_agg(DISTINCT a.name, ', ')),
               'Add a block of that name to the runner file, or vibe.register_agent(name => …, runner => …).'
          FROM vibe.current_agents a
         WHERE a.name IN (SELECT w.agent_name FROM vibe.work w) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
         GROUP BY a.runner ORDER BY a.runner;
    IF vibe._setting_text('allow_same_user')::boolean AND EXISTS (SELECT 1 FROM vibe.runners() r WHERE r.prefix IS NULL) THEN
        RETURN NEXT ('same user', 'warn', 'agents without a prefix run as the server''s user and could do all that it can',
            'Give the runners a prefix (sudo -n -u USER --) and set vibe_orchestrator.allow_same_user = off.')::vibe.health_info;
    ELSE
        RETURN NEXT ('same user', 'ok', 'no agent runs as the server''s user', NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
    RETURN NEXT ('runner file', 'fail', reason, 'Correct the file named by vibe_orchestrator.runner_config; SELECT pg_reload_conf();')::vibe.health_info;
WHEN SQLSTATE 'VB050' THEN
    RETURN;
END
$$;


COMMENT ON FUNCTION vibe._task_page(bigint, bigint, text, integer, bigint) IS 'The ids of one page of tasks, newest first.';

CREATE OR REPLACE FUNCTION vibe.tasks_with_incomplete_deliverables(campaign_id bigint)
    RETURNS TABLE (task_id bigint, title text, status text, deliverable text, branch text, state text, waiting_for text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = tasks_with_incomplete_deliverables.campaign_id) THEN
        PERFORM vibe._campaign_not_found(tasks_with_incomplete_deliverables.campaign_id);
    END IF;
    RETURN QUERY
        SELECT t.id, t.title, t.status, d.deliverable, s.branch, w.state, w.waiting_for
          FROM vibe.tasks t
          JOIN vibe.campaigns c ON c.id = t.campaign_id
         CROSS JOIN LATERAL vibe._wanted_deliverables(coalesce(t.deliverables, c.deliverables), t.pipeline_version_id) d
          LEFT JOIN vibe.pipeline_steps s
            ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> '' AND s.deliverable = d.deliverable
          -- Subqueries with a LIMIT stay index probes, however much work and how many runs others have.
          LEFT JOIN LATERAL (SELECT w.task_id, w.state, w.waiting_for FROM vibe.work w
                              WHERE w.task_id = t.id AND w.branch = s.branch LIMIT 1) w ON true
         WHERE t.campaign_id = tasks_with_incomplete_deliverables.campaign_id AND t.status <> 'cancelled'
           AND w.state IS DISTINCT FROM 'held'
           AND (w.task_id IS NOT NULL OR (
                SELECT r.id FROM vibe.runs r
                 WHERE r.task_id = t.id AND r.branch = s.branch AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL)
         ORDER BY t.id, d.deliverable, s.branch;
END
$$;
COMMENT ON FUNCTION vibe.tasks_with_incomplete_deliverables(bigint) IS 'Deliverables of a campaign''s tasks that are wanted, not done and not running, one row each; state and waiting_for say where its branch stands (NULL: not begun), branch is NULL where the pipeline has none for it. Cancelled tasks are left out. Raises VB002.';

CREATE OR REPLACE FUNCTION vibe.campaign_progress(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, total bigint, done bigint, cancelled bigint, running bigint, ready bigint,
                   waiting bigint, blocked bigint, revisions bigint, steps_done bigint, steps_total bigint,
                   cost_usd numeric, tasks_per_minute numeric, seconds_left numeric, tasks_to_create bigint)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    elapsed numeric;
    steps_each bigint;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_progress.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_progress.id);
    END IF;
    campaign_id := campaign.id;
    status := campaign.status;
    SELECT count(*), count(*) FILTER (WHERE t.status = 'completed'), count(*) FILTER (WHERE t.status = 'cancelled'),
           count(*) FILTER (WHERE t.status = 'blocked'), coalesce(sum(t.revision_count), 0)
      INTO total, done, cancelled, blocked, revisions
      FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    -- By its open tasks, one probe each: work has no index by campaign alone, which every step would write.
    SELECT coalesce(sum(w.running), 0)::bigint, coalesce(sum(w.ready), 0)::bigint, coalesce(sum(w.waiting), 0)::bigint
      INTO running, ready, waiting
      FROM vibe.tasks t
     CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE w.state = 'held') AS running, count(*) FILTER (WHERE w.state = 'ready') AS ready,
                   count(*) FILTER (WHERE w.state = 'waiting') AS waiting
              FROM vibe.work w WHERE w.task_id = t.id) w
     WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL;
    steps_each := (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    tasks_to_create := coalesce(campaign.tasks_to_create, 0);
    steps_total := (total + tasks_to_create - cancelled) * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status <> 'cancelled');
    -- Runs of completed tasks may be pruned.
    steps_done := done * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status = 'completed')
        + (SELECT count(*) FROM vibe.tasks t JOIN vibe.runs r ON r.task_id = t.id
            WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL AND r.outcome = 'done' AND NOT r.superseded);
    cost_usd := (SELECT coalesce(sum(u.cost_usd), 0) FROM vibe.usage u WHERE u.campaign_id = campaign.id);
    elapsed := extract(epoch FROM coalesce(campaign.ended_at, vibe.clock()) - campaign.activated_at);
    tasks_per_minute := round(60 * done / nullif(elapsed, 0), 2);
    seconds_left := CASE WHEN campaign.ended_at IS NOT NULL THEN 0
        ELSE round(elapsed * (steps_total - steps_done) / nullif(steps_done, 0), 1) END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state and those that are still to be created (tasks_to_create, not in total), steps done of all, those of the latter included, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';

CREATE OR REPLACE FUNCTION vibe.list_service_calls(
    service text DEFAULT NULL, campaign_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.service_call_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    wanted text := list_service_calls.service;
    campaign bigint := list_service_calls.campaign_id;
    below bigint := coalesce(after_id, 9223372036854775807);
    ids bigint[];
BEGIN
    max_rows := greatest(coalesce(max_rows, 100), 0);
    IF campaign IS NOT NULL THEN
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c
            WHERE (c.campaign_id, c.id) < (campaign, below) AND c.campaign_id >= campaign AND (wanted IS NULL OR c.service_name = wanted)
            ORDER BY c.campaign_id DESC, c.id DESC LIMIT max_rows);
    ELSIF wanted IS NOT NULL THEN
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c
            WHERE (c.service_name, c.id) < (wanted, below) AND c.service_name >= wanted
            ORDER BY c.service_name DESC, c.id DESC LIMIT max_rows);
    ELSE
        ids := ARRAY(SELECT c.id FROM vibe.service_calls c WHERE c.id < below ORDER BY c.id DESC LIMIT max_rows);
    END IF;
    RETURN QUERY
        SELECT c.id, c.at, c.service_name, c.status, c.duration_ms, c.cost_usd, c.error, c.retry_at, c.campaign_id, c.task_id, c.run_id, c.agent_name
          FROM vibe.service_calls c WHERE c.id = ANY (ids) ORDER BY c.id DESC;
END
$$;
COMMENT ON FUNCTION vibe.list_service_calls(text, bigint, integer, bigint) IS 'Calls of services, newest first, of one service or campaign or of all; the next page is after the last id of this one.';

CREATE FUNCTION vibe._has_ready_work(agent_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT w.agent_name = _has_ready_work.agent_name FROM vibe.work w
                      WHERE w.state = 'ready' AND w.agent_name >= _has_ready_work.agent_name
                      ORDER BY w.agent_name, w.priority, w.campaign_id, w.since, w.task_id LIMIT 1), false);
END;
COMMENT ON FUNCTION vibe._has_ready_work(text) IS 'Whether a step is ready for this agent, be its campaign at work or not.';
REVOKE ALL ON FUNCTION vibe._has_ready_work FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._has_ready_work TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._health_runners()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reason text;
BEGIN
    RETURN QUERY
        SELECT 'runner ' || r.name, CASE WHEN r.problem IS NULL AND r.executable THEN 'ok' ELSE 'fail' END,
               coalesce(r.problem, CASE WHEN r.executable THEN r.program ELSE r.program || ' is not an executable file' END),
               CASE WHEN r.problem IS NOT NULL OR NOT r.executable THEN 'Correct the runner file, or install the program.' END
          FROM vibe.runners() r ORDER BY r.name;
    RETURN QUERY
        SELECT 'runner ' || a.runner, 'fail', format('agents that work has been given to name it (%s), but it is not in the runner file', string_agg(DISTINCT a.name, ', ')),
               'Add a block of that name to the runner file, or vibe.register_agent(name => …, runner => …).'
          FROM vibe.current_agents a
         WHERE vibe._has_ready_work(a.name) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
         GROUP BY a.runner ORDER BY a.runner;
    IF vibe._setting_text('allow_same_user')::boolean AND EXISTS (SELECT 1 FROM vibe.runners() r WHERE r.prefix IS NULL) THEN
        RETURN NEXT ('same user', 'warn', 'agents without a prefix run as the server''s user and could do all that it can',
            'Give the runners a prefix (sudo -n -u USER --) and set vibe_orchestrator.allow_same_user = off.')::vibe.health_info;
    ELSE
        RETURN NEXT ('same user', 'ok', 'no agent runs as the server''s user', NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
    RETURN NEXT ('runner file', 'fail', reason, 'Correct the file named by vibe_orchestrator.runner_config; SELECT pg_reload_conf();')::vibe.health_info;
WHEN SQLSTATE 'VB050' THEN
    RETURN;
END
$$;
COMMENT ON FUNCTION vibe._health_runners() IS 'Whether the runner file can be used, and each runner in it; whether an agent may run as the server''s user.';

CREATE OR REPLACE FUNCTION vibe._health_queue(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stalled record;
    stale bigint := (SELECT count(*) FROM vibe.find_stale_locks());
    blocked bigint := (SELECT count(*) FROM (
        SELECT 1 FROM vibe.work w WHERE w.waiting_for IN ('person', 'approval') AND w.waiting_for = 'person' LIMIT 1001) w);
    stray bigint := (SELECT count(*) FROM vibe._live_shims() s
                      WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = s.run_id AND r.ended_at IS NULL));
BEGIN
    SELECT count(*) AS n, min(h.since) AS since, min(h.agent_name) AS agent INTO stalled FROM vibe._stalled_heads(at) h;
    RETURN NEXT ('waiting work', CASE WHEN stalled.n > 0 THEN 'warn' ELSE 'ok' END,
        CASE WHEN stalled.n > 0 THEN format('%s agents began nothing for an hour, such as %s; the first of it waits since %s', stalled.n, stalled.agent, stalled.since)
             ELSE 'no agent lets work wait for an hour' END,
        CASE WHEN stalled.n > 0 THEN 'SELECT * FROM vibe.stuck;' END)::vibe.health_info;
    RETURN NEXT ('stale locks', CASE WHEN stale > 0 THEN 'warn' ELSE 'ok' END, stale::text,
        CASE WHEN stale > 0 THEN 'SELECT * FROM vibe.sweep();' END)::vibe.health_info;
    RETURN NEXT ('blocked work', CASE WHEN blocked > 0 THEN 'warn' ELSE 'ok' END,
        CASE WHEN blocked > 1000 THEN 'more than 1000' ELSE blocked::text END,
        CASE WHEN blocked > 0 THEN 'SELECT * FROM vibe.stuck; names the call that tries each again.' END)::vibe.health_info;
    RETURN NEXT ('stray supervisors', CASE WHEN stray > 0 THEN 'warn' ELSE 'ok' END, stray::text,
        CASE WHEN stray > 0 THEN 'A running dispatcher ends them; without one they end after vibe_orchestrator.orphan_grace.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_queue(timestamptz) IS 'Whether work waits for too long, for a dead holder or for a person, and whether supervisors live whose run has ended.';

CREATE OR REPLACE FUNCTION vibe.health()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
DECLARE
    at timestamptz;
BEGIN
    SELECT c.now INTO at FROM vibe.clock() c(now);
    RETURN QUERY SELECT * FROM vibe._health_dispatcher();
    RETURN QUERY SELECT * FROM vibe._health_versions();
    RETURN QUERY SELECT * FROM vibe._health_runners();
    RETURN QUERY SELECT * FROM vibe._health_queue(at);
    RETURN QUERY SELECT * FROM vibe._health_batches(at);
    RETURN QUERY SELECT * FROM vibe._health_outside(at);
    RETURN QUERY SELECT * FROM vibe._health_host();
    RETURN QUERY SELECT * FROM vibe._health_sweep(at);
    RETURN QUERY SELECT * FROM vibe._health_retention(at);
    RETURN QUERY SELECT * FROM vibe._health_cron();
END
$$;
COMMENT ON FUNCTION vibe.health() IS 'One row per check: dispatcher, versions, each runner, agents as the server''s user, waiting work, stale locks, blocked work, stray supervisors, tasks to create, providers, outbox, notify queue, init process, restart, sweep, retention, pg_cron. status is ok, warn or fail, next_step what to do. Raises nothing.';

CREATE OR REPLACE FUNCTION vibe._stalled_heads(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, agent_name text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH idle AS MATERIALIZED (
        SELECT a.name FROM vibe.agents a
         WHERE ((SELECT CASE WHEN r.agent_name = a.name THEN r.claimed_at END
                   FROM vibe.runs r WHERE (r.agent_name, r.claim_event) <= (a.name, 9223372036854775807)
                  ORDER BY r.agent_name DESC, r.claim_event DESC LIMIT 1)
                > at - interval '1 hour') IS NOT TRUE
           AND vibe._has_ready_work(a.name)
    ), queue AS (
        SELECT c.id AS campaign_id, s.agent_name
          FROM vibe.campaigns c
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id
         WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision') AND s.agent_name IN (SELECT i.name FROM idle i)
         GROUP BY c.id, s.agent_name
        UNION ALL
        SELECT 0, i.name FROM idle i
    )
    SELECT h.task_id, h.branch, q.agent_name, h.since
      FROM queue q
     CROSS JOIN LATERAL (
            SELECT w.task_id, w.branch, w.since FROM vibe.work w
             WHERE w.state = 'ready' AND w.campaign_id = q.campaign_id AND w.agent_name = q.agent_name
             ORDER BY w.campaign_id, w.agent_name, w.priority, w.since, w.task_id LIMIT 1) h
     WHERE h.since < at - interval '1 hour';
END;
COMMENT ON FUNCTION vibe._stalled_heads(timestamptz) IS 'The first ready step of each agent, in campaigns at work, that waits for more than an hour in which that agent began nothing.';

CREATE OR REPLACE FUNCTION vibe._stuck_steps(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for IN ('person', 'approval') AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.since LIMIT 100)
    UNION ALL
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for = 'back_off' AND w.ready_at > at AND w.since < at - interval '1 hour'
        AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.ready_at DESC LIMIT 100)
    UNION ALL
    (SELECT h.task_id, h.branch, h.since FROM vibe._stalled_heads(at) h ORDER BY h.since LIMIT 100)
    UNION ALL
    (SELECT l.task_id, l.branch, l.renewed_at FROM vibe.find_stale_locks() l LIMIT 100)
    UNION ALL
    -- The work behind it waits for the end of its process; where it waits for a person, that is said above.
    (SELECT r.task_id, r.branch, r.closed_at FROM vibe.runs r
       JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.state = 'ready'
      WHERE r.ended_at IS NULL AND r.closed_at < at - interval '5 minutes' LIMIT 100)
    UNION ALL
    -- Of many open tasks those that the next sweep looks at: it mends them.
    (SELECT o.task_id, '', (SELECT t.updated_at FROM vibe.tasks t WHERE t.id = o.task_id)
       FROM vibe.sweep_state s
      CROSS JOIN LATERAL vibe._next_window(s.looked_up_to) n
      CROSS JOIN LATERAL vibe._orphaned_tasks(s.looked_up_to, n.last_id) o LIMIT 100);
END;
COMMENT ON FUNCTION vibe._stuck_steps(timestamptz) IS 'Steps that need a person or wait suspiciously long, up to 100 of each kind: for a person or an approval; a back-off of more than an hour; stalled queues; locks whose holder is silent; processes that do not end; open tasks without work.';

CREATE OR REPLACE FUNCTION vibe.list_activities(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, agent_name text DEFAULT NULL,
    after_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, before_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.activity_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    newest_first boolean := list_activities.after_id IS NULL;
BEGIN
    PERFORM vibe._check_page(list_activities.max_rows);
    -- Of a task or campaign that is not within the wider scope, there is nothing.
    IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.id = list_activities.task_id
                  AND (t.campaign_id IS DISTINCT FROM coalesce(list_activities.campaign_id, t.campaign_id)
                       OR t.project_id <> list_activities.project_id))
       OR EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_activities.campaign_id AND c.project_id <> list_activities.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT f.id, f.at, f.kind, f.actor, coalesce(f.project_id, t.project_id), nullif(f.campaign_id, 0), f.task_id,
               t.title, f.agent_name, f.run_id, coalesce(f.message, e.message), coalesce(f.detail, e.detail)
          FROM (SELECT p.* FROM vibe._feed_page(list_activities.project_id, list_activities.campaign_id, list_activities.task_id,
                    list_activities.agent_name, coalesce(list_activities.after_id, 0),
                    coalesce(list_activities.before_id, 9223372036854775807), list_activities.max_rows, newest_first) p
                 ORDER BY CASE WHEN newest_first THEN -p.id ELSE p.id END LIMIT list_activities.max_rows) f
          LEFT JOIN vibe.runs r ON r.id = f.run_id
          LEFT JOIN vibe.tasks t ON t.id = f.task_id
          LEFT JOIN LATERAL vibe._run_event(f.kind, r, t) e ON f.run_id IS NOT NULL
         ORDER BY f.id;
END
$$;
COMMENT ON FUNCTION vibe.list_activities(bigint, bigint, bigint, text, bigint, integer, bigint) IS 'The feed: what verbs recorded, and beginnings and ends of runs (kind run_started, run_ended), of a project, a campaign, a task, an agent (its runs), or all, in ascending order of id, which never changes. Without after_id: the newest max_rows (1 to 1000); before_id, the first id of a page, gives the page before it. With after_id, the last id that was seen: the next ones. An id is drawn before its commit, so a reader who must miss nothing asks again from a minute back. Raises VB030.';

CREATE OR REPLACE FUNCTION vibe._missing_branches(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT due.task_id, due.campaign_id, due.branch
      FROM (SELECT t.id AS task_id, t.campaign_id, s.branch, t.deliverables, s.deliverable
              FROM vibe.tasks t
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> ''
             WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
               AND vibe._is_past(t, s.trigger_after_step)
               AND s.branch <> ALL (t.cancelled_branches)
               AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = s.branch LIMIT 1) IS NULL
            -- What follows is asked of the few that are left.
            OFFSET 0) due
      LEFT JOIN vibe.campaigns c ON c.id = due.campaign_id
     WHERE vibe._wants(coalesce(due.deliverables, c.deliverables), due.deliverable)
       AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = due.task_id AND r.branch = due.branch
               AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL
     ORDER BY due.task_id, due.branch;
END;
COMMENT ON FUNCTION vibe._missing_branches(bigint, bigint) IS 'find_missing_branches() for the open tasks whose ids are above the first and up to the second.';

CREATE OR REPLACE FUNCTION vibe._mend_branches(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    main_line vibe.work;
    opened bigint;
    mended bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.ended_at IS NULL AND t.id = ANY (ARRAY(
            (SELECT b.task_id FROM vibe._missing_branches(after, last_id) b LIMIT 1000)
            UNION ALL
            (SELECT w.task_id FROM vibe.work w WHERE w.task_id > after AND w.task_id <= last_id
                AND w.waiting_for = 'branches' AND NOT vibe._has_open_branches(w.task_id) LIMIT 1000)))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- A claim takes a row of work without its task: one that is at it is not waited for.
        SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '');
        opened := vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        IF main_line.waiting_for = 'branches' AND NOT vibe._has_open_branches(task.id) THEN
            PERFORM vibe._move_on(task, main_line.step - 1, NULL, NULL, at);
        ELSIF opened = 0 THEN
            CONTINUE;
        END IF;
        PERFORM vibe._record('orphan_requeued', format('Branches of task "%s" had no work and were looked after.', left(task.title, 200)),
            jsonb_build_object('branches_opened', opened), task.project_id, task.campaign_id, task.id);
        mended := mended + 1;
    END LOOP;
    RETURN mended;
END
$$;
COMMENT ON FUNCTION vibe._mend_branches(bigint, bigint, timestamptz) IS 'Opens missing branches of the open tasks with these ids, and main lines that wait for branches which are not there; returns how many tasks were mended.';

CREATE OR REPLACE FUNCTION vibe._orphaned_tasks(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.campaign_id, t.step, t.status
      FROM vibe.tasks t
     WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
       -- A subquery with a LIMIT stays an index probe, also where the statistics know of no open task.
       AND (SELECT w.task_id FROM vibe.work w WHERE w.task_id = t.id AND w.branch = '' LIMIT 1) IS NULL
       AND (t.step IS NOT NULL OR NOT vibe._has_open_branches(t.id))
     ORDER BY t.id;
END;
COMMENT ON FUNCTION vibe._orphaned_tasks(bigint, bigint) IS 'find_orphaned_tasks() among the open tasks whose ids are above the first and up to the second.';

CREATE OR REPLACE FUNCTION vibe._free_stale_locks(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
    stale bigint[];
BEGIN
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (ARRAY(SELECT l.task_id FROM vibe.find_stale_locks() l))
        ORDER BY t.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    stale := ARRAY(SELECT l.run_id FROM vibe.find_stale_locks() l WHERE l.task_id = ANY (locked));
    PERFORM vibe._free_work(stale, at);
    PERFORM vibe._close_run(i, 'lost', 'its holder did not renew its lease', at) FROM unnest(stale) i;
    RETURN cardinality(stale);
END
$$;
COMMENT ON FUNCTION vibe._free_stale_locks(timestamptz) IS 'Ends hand-held runs whose lease was not renewed; their steps are ready again.';

CREATE OR REPLACE FUNCTION vibe._requeue_orphans(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
    requeued bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.id = ANY (ARRAY(SELECT o.task_id FROM vibe._orphaned_tasks(after, last_id) o LIMIT 1000))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- Looked at again under the lock: a verb may have just given it work, or ended it.
        CONTINUE WHEN task.ended_at IS NOT NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '')
            OR task.step IS NULL AND vibe._has_open_branches(task.id);
        PERFORM vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        PERFORM vibe._restore_main_line(task, at);
        PERFORM vibe._record('orphan_requeued', format('Task "%s" had no work and was queued again.', left(task.title, 200)),
            jsonb_build_object('step', task.step), task.project_id, task.campaign_id, task.id);
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END
$$;
COMMENT ON FUNCTION vibe._requeue_orphans(bigint, bigint, timestamptz) IS 'Gives open tasks with these ids whose main line has no work their step back, 1000 at most.';

CREATE OR REPLACE FUNCTION vibe._next_window(after bigint, OUT last_id bigint, OUT next bigint)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    size integer := (SELECT least(greatest(c.reltuples / 4, 2500), 5000) FROM pg_class c WHERE c.oid = 'vibe.tasks_open_by_id_idx'::regclass);
BEGIN
    SELECT t.id INTO last_id FROM vibe.tasks t WHERE t.ended_at IS NULL AND t.id > after ORDER BY t.id OFFSET size - 1 LIMIT 1;
    next := coalesce(last_id, 0);
    last_id := coalesce(last_id, 9223372036854775807);
END
$$;
COMMENT ON FUNCTION vibe._next_window(bigint) IS 'Up to which id the open tasks above the given one are looked at now, and above which one the next time.';

CREATE OR REPLACE FUNCTION vibe.sweep()
    RETURNS TABLE (swept boolean, stale_locks_released bigint, dispatched_runs_lost bigint, back_offs_ended bigint,
                   orphans_dispatched bigint, campaigns_completed bigint, branches_dispatched bigint, backlog_requests bigint,
                   notifications_queued bigint, runs_pruned bigint, activities_pruned bigint, notifications_pruned bigint,
                   service_calls_pruned bigint, tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    state vibe.sweep_state;
    seen bigint;
    part record;
BEGIN
    SELECT * INTO state FROM vibe.sweep_state s FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint;
        RETURN;
    END IF;
    swept := true;
    seen := (SELECT coalesce(max(n.id), 0) FROM vibe.notifications n);
    state.dispatcher_gone_since := CASE WHEN vibe._dispatcher_pid() IS NULL THEN coalesce(state.dispatcher_gone_since, at) END;
    SELECT w.last_id, w.next INTO part FROM vibe._next_window(state.looked_up_to) w;
    stale_locks_released := vibe._free_stale_locks(at);
    dispatched_runs_lost := vibe._free_dispatched_runs(state.dispatcher_gone_since, at);
    back_offs_ended := vibe._promote_due();
    orphans_dispatched := vibe._requeue_orphans(state.looked_up_to, part.last_id, at);
    branches_dispatched := vibe._mend_branches(state.looked_up_to, part.last_id, at);
    campaigns_completed := vibe._finish_campaigns(at);
    tasks_created := vibe._add_batches(at);
    backlog_requests := vibe._ask_for_topics(at);
    runs_pruned := vibe._prune_runs(vibe._setting('run_retention'));
    activities_pruned := vibe._prune_activities(vibe._setting('activity_retention'), at);
    notifications_pruned := vibe._prune_notifications(vibe._setting('notification_retention'), at);
    service_calls_pruned := vibe._prune_service_calls(at);
    notifications_queued := vibe._count_told(seen);
    UPDATE vibe.sweep_state s SET swept_at = at, dispatcher_gone_since = state.dispatcher_gone_since, looked_up_to = part.next;
    PERFORM vibe._note_health(at);
    IF stale_locks_released + dispatched_runs_lost + back_offs_ended + orphans_dispatched + branches_dispatched + tasks_created > 0 THEN
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.sweep() IS 'Puts right what was left behind, in short batches, and counts it: hand-held locks not renewed, runs of a dispatcher that stayed away, back-offs that are over, open tasks without work, tasks with branches that are due and lost (a cancelled branch stays so), finished campaigns not marked; tasks of campaigns that were activated in batches, 5000 or one batch; backlog agents asked for topics; notifications that this sweep caused; runs, activities, notifications and service calls older than their retention. Of many open tasks each sweep looks at a quarter for lost work, 5000 at most. swept is false if another sweep was at it. Raises VB022.';

-- What is pruned is not walked through again.
ALTER TABLE vibe.sweep_state ADD COLUMN runs_looked_up_to bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN vibe.sweep_state.runs_looked_up_to IS 'The last old run that was looked at for pruning; the next sweep goes on behind it. 0: it begins anew.';
CREATE OR REPLACE FUNCTION vibe._fold_and_prune_runs(older_than interval, most integer DEFAULT 1000)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    cutoff timestamptz := vibe._begin_verb() - older_than;
    after bigint := (SELECT s.runs_looked_up_to FROM vibe.sweep_state s);
    part bigint[];
    more boolean;
    old bigint[];
    locked bigint[];
    pruned bigint;
BEGIN
    PERFORM vibe._merge_usage(10000);
    -- Whatever was claimed later did not end before.
    SELECT array_agg(f.id ORDER BY f.id) FILTER (WHERE f.claimed_at < cutoff), count(*) = most AND bool_and(f.claimed_at < cutoff)
      INTO part, more
      FROM (SELECT r.id, r.claimed_at FROM vibe.runs r WHERE r.id > after ORDER BY r.id LIMIT most) f;
    old := ARRAY(SELECT r.id FROM unnest(part) p
                  CROSS JOIN LATERAL (SELECT r.id, r.task_id FROM vibe.runs r WHERE r.id = p AND r.ended_at < cutoff LIMIT 1) r
                   LEFT JOIN LATERAL (SELECT t.ended_at FROM vibe.tasks t WHERE t.id = r.task_id LIMIT 1) t ON true
                  WHERE t.ended_at < cutoff OR r.task_id IS NULL);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
                     WHERE t.id = ANY (ARRAY(SELECT DISTINCT r.task_id FROM vibe.runs r WHERE r.id = ANY (old))) AND t.ended_at < cutoff
                     ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    WITH gone AS (
        DELETE FROM vibe.runs r
         WHERE r.task_id = ANY (locked) AND r.ended_at < cutoff
        RETURNING r.task_id, vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at) AS counted_usd
    ), noted AS (
        UPDATE vibe.tasks t SET folded_usd = t.folded_usd + g.counted_usd
          FROM (SELECT g.task_id, sum(g.counted_usd) AS counted_usd FROM gone g GROUP BY g.task_id) g
         WHERE t.id = g.task_id AND g.counted_usd > 0
    ), gone_chores AS (
        DELETE FROM vibe.runs r WHERE r.id = ANY (old) AND r.task_id IS NULL RETURNING r.id
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM gone_chores) INTO pruned;
    after := CASE WHEN more THEN part[cardinality(part)] ELSE 0 END;
    UPDATE vibe.sweep_state s SET runs_looked_up_to = after WHERE s.runs_looked_up_to <> after;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._fold_and_prune_runs(interval, integer) IS 'Adds entries of ended runs to the totals, looks at the next so many runs that are old, and deletes those of tasks that ended longer ago, with all old runs of these tasks, and those of chores; returns how many were deleted. No sum of usage changes.';

CREATE OR REPLACE FUNCTION vibe._prune_activities(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.activities a
     WHERE older_than > interval '0'
       AND a.id = ANY (ARRAY(
            SELECT f.id FROM (SELECT o.id, o.at FROM vibe.activities o ORDER BY o.id LIMIT 10000) f
             WHERE f.at < _prune_activities.at - older_than));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_activities(interval, timestamptz) IS 'Deletes activities that are older, 10000 at most; zero keeps all.';

CREATE OR REPLACE FUNCTION vibe._prune_runs(older_than interval)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN older_than > interval '0' THEN vibe._fold_and_prune_runs(older_than, 2000) ELSE 0 END;
END
$$;
COMMENT ON FUNCTION vibe._prune_runs(interval) IS 'Deletes runs that ended longer ago, of some thousand tasks that did too, and keeps their sums; zero keeps all.';

CREATE OR REPLACE FUNCTION vibe._health_retention(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'retention', CASE WHEN count(*) > 0 THEN 'warn' ELSE 'ok' END,
           coalesce('kept for too long: ' || string_agg(format('%s of %s', k.what, k.oldest::date), ', '), 'nothing is kept for too long'),
           CASE WHEN count(*) > 0 THEN 'SELECT * FROM vibe.sweep(); deletes some thousands of each at a time; again until the counts are 0.' END
      FROM vibe._oldest_kept(at) k
     WHERE k.kept_for > interval '0' AND k.oldest < at - k.kept_for * 1.1 - interval '1 day';
END;
COMMENT ON FUNCTION vibe._health_retention(timestamptz) IS 'Whether something is left that is older than its retention by far.';

CREATE OR REPLACE FUNCTION vibe._render_prompt(template text, fields jsonb)
    RETURNS text
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- A piece after a brace is a field and what follows it, or text as it stands: a word that is no field, braces
    -- in prose. No pattern is matched, since this is done at every launch.
    RETURN (
        SELECT coalesce(string_agg(
                   CASE WHEN piece.n = 1 THEN piece.text
                        WHEN strpos(piece.text, '}') > 0 AND fields ? split_part(piece.text, '}', 1)
                        THEN coalesce(fields ->> split_part(piece.text, '}', 1), '-') || substr(piece.text, strpos(piece.text, '}') + 1)
                        ELSE '{' || piece.text END, '' ORDER BY piece.n), '')
          FROM string_to_table(template, '{') WITH ORDINALITY piece(text, n));
END
$$;
COMMENT ON FUNCTION vibe._render_prompt(text, jsonb) IS 'Fills {fields} of a template in one pass; an empty field becomes "-".';

CREATE OR REPLACE FUNCTION vibe._launch(run vibe.runs, token text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    launch jsonb;
    fields jsonb;
    template text;
    before_step integer;
    inputs jsonb;
BEGIN
    SELECT jsonb_build_object(
               'contract', 1, 'kind', run.kind, 'run_id', run.id::text, 'task_id', t.id, 'branch', run.branch, 'step', run.step,
               'step_label', s.label, 'attempt', run.attempt, 'agent', run.agent_name, 'model', run.model,
               'campaign_id', t.campaign_id, 'campaign', c.slug, 'project', p.slug, 'title', t.title,
               'slug', vibe._output_slug(t, run.branch), 'skill_path', a.skill_path, 'skills', k.list, 'output_dir', s.output_dir,
               'token', token, 'revision_notes', n.notes, 'note', w.note, 'session', run.session_id,
               'resume_session', run.resumed_session, 'timeout_s', extract(epoch FROM s.timeout)::bigint,
               'budget_usd', run.reserved_usd, 'price', CASE WHEN run.reserved_usd IS NOT NULL THEN vibe._price_told(run.model, run.claimed_at) END,
               'deliverable', s.deliverable, 'traceparent', vibe._traceparent(t.id, run.id, d.oid)),
           jsonb_build_object(
               'agent', a.name, 'agent_description', coalesce(a.description, ''), 'skill_path', a.skill_path, 'skills', k.lines,
               'task_id', t.id, 'title', t.title, 'description', coalesce(t.description, ''), 'keyword', t.keyword,
               'step', run.step, 'step_label', s.label, 'step_description', coalesce(s.description, ''),
               'deliverable', s.deliverable, 'project', p.name, 'project_description', coalesce(p.description, ''),
               'campaign', c.name, 'campaign_description', coalesce(c.description, ''),
               'seed_keywords', array_to_string(c.seed_keywords[1:50], ', '),
               'competitor_urls', array_to_string(c.competitor_urls[1:50], ', '),
               'focus_groups', array_to_string(c.focus_group_ids[1:50], ', '),
               'revision_notes', n.notes, 'note', w.note,
               'output_file', coalesce(s.output_dir || '/', '') || vibe._output_slug(t, run.branch) || '.md'),
           coalesce(a.prompt_template, vibe.default_prompt_template()),
           CASE WHEN run.branch = '' THEN run.step ELSE s.trigger_after_step + 1 END
      INTO STRICT launch, fields, template, before_step
      FROM vibe.tasks t
      JOIN vibe.projects p ON p.id = t.project_id
      JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = run.branch AND s.step = run.step
      JOIN vibe.current_agents a ON a.name = run.agent_name
     CROSS JOIN LATERAL (SELECT string_agg(format('%s (%s)', k.slug, k.path), E'\n' ORDER BY x.position) AS lines,
                                coalesce(jsonb_agg(jsonb_build_object('slug', k.slug, 'path', k.path, 'kind', k.kind) ORDER BY x.position), '[]') AS list
                           FROM vibe.agent_skills x JOIN vibe.skills k ON k.slug = x.skill_slug WHERE x.agent_name = run.agent_name) k
      JOIN pg_catalog.pg_database d ON d.datname = current_database()
      LEFT JOIN vibe.campaigns c ON c.id = t.campaign_id
      LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = run.branch
     CROSS JOIN LATERAL (SELECT CASE WHEN run.branch = '' THEN t.rejection_notes ELSE vibe._revision_notes(t, run.branch) END AS notes OFFSET 0) n
     WHERE t.id = run.task_id;
    inputs := vibe._inputs(run.task_id, run.branch, before_step);
    fields := fields || jsonb_build_object('earlier_results', CASE WHEN inputs <> '[]' THEN vibe._earlier_results(inputs) END);
    RETURN launch || jsonb_build_object('inputs', inputs,
        'resume_usage', CASE WHEN run.resumed_session IS NOT NULL THEN vibe._usage_of_session(run) END, 'prompt', vibe._render_prompt(template, fields));
END
$$;
COMMENT ON FUNCTION vibe._launch(vibe.runs, text) IS 'What the supervisor and the agent of a run are told, as one JSON object.';

CREATE OR REPLACE FUNCTION vibe._launch_chore(run vibe.runs, token text)
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

CREATE FUNCTION vibe._unlimited_agents(runners text[], free_slots integer[], providers text[], only_agents text[], max_runs integer)
    RETURNS vibe._able_agent[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT (a.name, r.name, r.provider, CASE WHEN only_agents IS NULL THEN r.free ELSE max_runs END, r.free,
                CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END)::vibe._able_agent
          FROM vibe.current_agents a
          LEFT JOIN unnest(runners, providers, free_slots) r(name, provider, free) ON only_agents IS NULL AND r.name = a.runner
         WHERE a.paused_at IS NULL AND CASE WHEN only_agents IS NULL THEN r.free > 0 ELSE a.name = ANY (only_agents) END);
END
$$;
COMMENT ON FUNCTION vibe._unlimited_agents(text[], integer[], text[], text[], integer) IS 'Agents with room for another run where _claim_outlook() has seen no limit: _able_agents() without what it counts.';

CREATE FUNCTION vibe._take_the_only_one(task_id bigint, branch text, runners text[], free_slots integer[], providers text[])
    RETURNS vibe._taken[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT (w, r.name, r.provider, coalesce(c.run_budget_usd,
                CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END))::vibe._taken
          FROM vibe.work w
          JOIN vibe.current_agents a ON a.name = w.agent_name
          JOIN unnest(runners, providers, free_slots) r(name, provider, free) ON r.name = a.runner
          LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
         WHERE w.task_id = _take_the_only_one.task_id AND w.branch = _take_the_only_one.branch
           AND w.state = 'ready' AND a.paused_at IS NULL AND r.free > 0 AND (w.campaign_id = 0 OR c.status IN ('active', 'in_revision'))
           AND NOT EXISTS (SELECT 1 FROM vibe.runs l WHERE l.task_id = w.task_id AND l.branch = w.branch AND num_nonnulls(l.ended_at) = 0)
           FOR UPDATE OF w SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION vibe._take_the_only_one(bigint, text, text[], integer[], text[]) IS 'Where this step is the only one that is ready and nothing has a limit: that step, locked, or none if it may not be claimed.';

CREATE FUNCTION vibe._may_be_staged(record jsonb)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT record -> 'staged' IS DISTINCT FROM 'false';
END;
COMMENT ON FUNCTION vibe._may_be_staged(jsonb) IS 'Whether a run may have left an output file to be published: false only if its exit record says so.';

DROP FUNCTION vibe._traceparent(bigint, bigint);
CREATE FUNCTION vibe._traceparent(task_id bigint, run_id bigint, database oid)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT '00-' || md5('task ' || task_id || ' ' || database) || '-' || left(md5('run ' || run_id), 16) || '-01';
END;
COMMENT ON FUNCTION vibe._traceparent(bigint, bigint, oid) IS 'W3C trace context of a run: the trace is the task''s, the span the run''s.';
REVOKE ALL ON FUNCTION vibe._unlimited_agents, vibe._take_the_only_one, vibe._may_be_staged, vibe._traceparent FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._unlimited_agents, vibe._may_be_staged, vibe._traceparent TO vibe_viewer;

CREATE OR REPLACE FUNCTION vibe._revision_notes(task vibe.tasks, branch text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT r.notes FROM vibe.runs r
         WHERE r.task_id = task.id AND r.branch = _revision_notes.branch AND r.superseded AND r.notes IS NOT NULL
         ORDER BY r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._revision_notes(vibe.tasks, text) IS 'The notes of a branch''s last revision for its next run; they stand with the run that they are about, the main line''s in the task.';

CREATE OR REPLACE FUNCTION vibe._usage_of_session(run vibe.runs)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object('input_tokens', coalesce(sum(r.input_tokens), 0), 'output_tokens', coalesce(sum(r.output_tokens), 0),
                   'cache_read_tokens', coalesce(sum(r.cache_read_tokens), 0), 'cache_write_tokens', coalesce(sum(r.cache_write_tokens), 0))
          FROM vibe.runs r
         WHERE r.task_id = run.task_id AND r.branch = run.branch AND r.step = run.step AND r.id < run.id
           AND r.session_id = run.resumed_session);
END
$$;
COMMENT ON FUNCTION vibe._usage_of_session(vibe.runs) IS 'What earlier runs of the session that a run goes on with have used.';

CREATE OR REPLACE FUNCTION vibe._next_due()
    RETURNS timestamptz
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A chore or message that is due and was not taken waits for a slot, a limit, or a runner: not for a time.
    RETURN least((SELECT w.ready_at FROM vibe.work w WHERE w.waiting_for = 'back_off' ORDER BY w.ready_at LIMIT 1),
                 (SELECT min(vibe._provider_opens_at(p, vibe.clock())) FROM vibe.providers p),
                 (SELECT (x.day + 1)::timestamp AT TIME ZONE 'UTC' FROM vibe.budget_crossings x
                   WHERE x.name LIKE E'daily\\_budget %' AND x.day = vibe._day(vibe.clock()) LIMIT 1),
                 (SELECT min(c.ready_at) FROM vibe.chores c WHERE c.run_id IS NULL AND c.ready_at > vibe.clock()),
                 (SELECT d.next_attempt_at FROM vibe.deliveries d
                   WHERE d.state = 'pending' AND d.next_attempt_at > vibe.clock() ORDER BY d.next_attempt_at LIMIT 1));
END
$$;
COMMENT ON FUNCTION vibe._next_due() IS 'When the next back-off, pause of a provider, or probe of one is over, or the day whose ceiling was reached, or the next chore or message is due.';

-- Whoever closes a run: its end has a place in the feed. Most give it themselves, which costs less than a trigger.
DROP TRIGGER close_has_a_place_in_the_feed ON vibe.runs;
CREATE TRIGGER close_has_a_place_in_the_feed
    BEFORE UPDATE OF closed_at ON vibe.runs
    FOR EACH ROW WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND NEW.close_event IS NULL)
    EXECUTE FUNCTION vibe._number_close_event();

-- The same rules in fewer words: every statement that writes a row parses them.
ALTER TABLE vibe.tasks
    DROP CONSTRAINT idempotency_key_is_short,
    DROP CONSTRAINT priority_is_known,
    DROP CONSTRAINT quality_score_is_a_percentage,
    DROP CONSTRAINT amounts_are_not_negative,
    DROP CONSTRAINT deliverables_is_an_object_or_array,
    ADD CONSTRAINT idempotency_key_is_short CHECK (idempotency_key <> '' AND length(idempotency_key) <= 200),
    ADD CONSTRAINT priority_is_known CHECK (priority = ANY ('{low,medium,high,urgent}')),
    ADD CONSTRAINT quality_score_is_a_percentage CHECK (quality_score BETWEEN 0.0 AND 100.0),
    ADD CONSTRAINT amounts_are_not_negative CHECK (least(approved_usd, folded_usd) >= 0.0),
    ADD CONSTRAINT deliverables_is_an_object_or_array CHECK (jsonb_typeof(deliverables) = ANY ('{object,array}'));
ALTER TABLE vibe.work
    DROP CONSTRAINT state_is_known,
    DROP CONSTRAINT waiting_for_is_known,
    DROP CONSTRAINT what_can_run_has_an_agent,
    DROP CONSTRAINT counts_are_not_negative,
    ADD CONSTRAINT state_is_known CHECK (state = ANY ('{ready,held,waiting}')),
    ADD CONSTRAINT waiting_for_is_known CHECK (waiting_for = ANY ('{back_off,approval,branches,person}')),
    ADD CONSTRAINT what_can_run_has_an_agent CHECK (agent_name IS NOT NULL OR waiting_for = ANY ('{approval,branches}')),
    ADD CONSTRAINT counts_are_not_negative CHECK (least(attempts, retries) >= 0);
ALTER TABLE vibe.runs
    DROP CONSTRAINT usage_is_not_negative,
    DROP CONSTRAINT kind_is_known,
    DROP CONSTRAINT started_by_is_known,
    DROP CONSTRAINT identity_is_whole,
    DROP CONSTRAINT quality_score_is_a_percentage,
    DROP CONSTRAINT cost_source_is_known,
    DROP CONSTRAINT reserve_is_a_positive_amount,
    ADD CONSTRAINT kind_is_known CHECK (kind = ANY ('{task,heartbeat,notify}')),
    ADD CONSTRAINT started_by_is_known CHECK (started_by = ANY ('{dispatcher,hand}')),
    ADD CONSTRAINT identity_is_whole CHECK (num_nonnulls(pid, pid_start, boot_id, pid_ns) = ANY ('{0,4}')),
    ADD CONSTRAINT quality_score_is_a_percentage CHECK (quality_score BETWEEN 0.0 AND 100.0),
    ADD CONSTRAINT cost_source_is_known CHECK (cost_source = ANY ('{reported,computed}')),
    ADD CONSTRAINT reserve_is_a_positive_amount CHECK (reserved_usd > 0.0 AND reserved_usd < 1e12),
    ADD CONSTRAINT usage_is_not_negative CHECK (
        least(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) >= 0
        AND cost_usd >= 0.0 AND cost_usd < 'Infinity'::numeric);

CREATE OR REPLACE FUNCTION vibe._insert_task(task vibe.tasks, at timestamptz)
    RETURNS vibe.tasks
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    entry record;
BEGIN
    task.number := vibe._last_number(task.project_id, task.campaign_id) + 1;
    -- Those that its campaign still has to create have their place.
    IF task.number > 1000000 - coalesce((SELECT c.tasks_to_create FROM vibe.campaigns c WHERE c.id = task.campaign_id), 0)
       AND task.campaign_id IS NOT NULL THEN
        PERFORM vibe._campaign_full(task.campaign_id, task.number - 1, 1);
    END IF;
    task.slug := vibe._free_slug(task);
    SELECT * INTO entry FROM vibe._next_stop(task.pipeline_version_id, -1, false, vibe._wanted(task), '{}');
    INSERT INTO vibe.tasks AS t (project_id, campaign_id, pipeline_version_id, number, title, slug, keyword, description,
        step, priority, deliverables, idempotency_key, created_at, updated_at)
    VALUES (task.project_id, task.campaign_id, task.pipeline_version_id, task.number, task.title, task.slug, task.keyword,
        task.description, entry.next_step, task.priority, task.deliverables, task.idempotency_key, at, at)
    ON CONFLICT (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING t.* INTO task;
    IF task.id IS NOT NULL THEN
        PERFORM vibe._set_main_line(task, entry.next_step, entry.next_agent, entry.waiting_for, NULL, at);
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (entry.opened);
    END IF;
    RETURN task;
END
$$;
COMMENT ON FUNCTION vibe._insert_task(vibe.tasks, timestamptz) IS 'Inserts a task with the work of its first step; id is NULL where the idempotency key is there already. Raises VB034.';

CREATE OR REPLACE FUNCTION vibe._low_backlogs(since timestamptz)
    RETURNS TABLE (campaign_id bigint, project_id bigint, name text, agent_name text, threshold integer, unbegun bigint,
                   to_tell boolean, to_ask boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.project_id, c.name, coalesce(c.backlog_agent, 'vibe-keyword-researcher'), c.backlog_threshold, u.n,
           (q.told_at > since) IS NOT TRUE, (q.asked_at > since) IS NOT TRUE
      FROM vibe.campaigns c
      LEFT JOIN vibe.topic_requests q ON q.campaign_id = c.id
     CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT 1 FROM vibe.tasks t
                 WHERE t.campaign_id = c.id AND t.ended_at IS NULL AND t.status = 'backlog'
                   AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = t.id LIMIT 1) IS NULL
                 ORDER BY t.campaign_id DESC, t.id DESC LIMIT c.backlog_threshold) open_task) u
     WHERE c.ended_at IS NULL AND c.status = 'active' AND c.backlog_threshold > 0 AND c.tasks_to_create IS NULL
       AND (q.told_at > since AND q.asked_at > since) IS NOT TRUE
       AND u.n < c.backlog_threshold
     ORDER BY c.id LIMIT 100;
END;
COMMENT ON FUNCTION vibe._low_backlogs(timestamptz) IS 'Active campaigns with fewer open tasks that nobody has begun than their threshold and none still to be created, and whether people are to be told and their agent to be asked: unless that was done after since.';

CREATE OR REPLACE FUNCTION vibe._finish_campaign(campaign_id bigint, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF _finish_campaign.campaign_id = 0 THEN
        RETURN false;
    END IF;
    campaign := vibe._lock_campaign(_finish_campaign.campaign_id);
    IF campaign.status NOT IN ('active', 'paused', 'in_revision') OR campaign.tasks_to_create IS NOT NULL THEN
        RETURN campaign.status = 'completed';
    END IF;
    PERFORM 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL
      ORDER BY t.id DESC LIMIT 1;
    IF FOUND OR NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id
                               AND t.ended_at >= coalesce(campaign.reopened_at, t.ended_at)) THEN
        RETURN false;
    END IF;
    UPDATE vibe.campaigns c SET status = 'completed', paused_from = NULL, ended_at = at, updated_at = at
     WHERE c.id = campaign.id
    RETURNING c.* INTO campaign;
    PERFORM vibe._tell_campaign_completed(campaign, false);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._finish_campaign(bigint, timestamptz) IS 'Marks a campaign completed if it has tasks, none of them is open and none is still to be created; one that was reopened only if a task has ended since. Locks the campaign row.';

CREATE OR REPLACE FUNCTION vibe._finish_campaigns(at timestamptz)
    RETURNS bigint
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.id, at))
      FROM (SELECT c.id FROM vibe.campaigns c
             WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision', 'paused') AND c.tasks_to_create IS NULL
               -- One that was reopened waits for the revisions that somebody is about to ask for.
               AND EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at >= coalesce(c.reopened_at, t.ended_at))
               AND NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at IS NULL)
             ORDER BY c.id
               FOR NO KEY UPDATE SKIP LOCKED) c;
END;
COMMENT ON FUNCTION vibe._finish_campaigns(timestamptz) IS 'Marks campaigns completed that have tasks but none open or still to be created.';

CREATE OR REPLACE FUNCTION vibe.check_campaign_completion(id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(check_campaign_completion.id);
BEGIN
    RETURN vibe._finish_campaign(campaign.id, at);
END
$$;
COMMENT ON FUNCTION vibe.check_campaign_completion(bigint) IS 'Whether the campaign is completed; marks it so if all its tasks have ended and none is still to be created (of a reopened one: and one has ended since). Locks the campaign row. Raises VB002, VB022.';

CREATE OR REPLACE FUNCTION vibe.complete_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(complete_campaign.id);
    open_tasks bigint;
BEGIN
    IF campaign.status NOT IN ('active', 'paused', 'in_revision', 'completed') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'completed', 'Only a campaign that was activated can be completed.');
    END IF;
    SELECT count(*) INTO open_tasks FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL;
    IF open_tasks > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('campaign %s still has open tasks', campaign.id),
            DETAIL = format('%s tasks are neither completed nor cancelled.', open_tasks),
            HINT = format('SELECT * FROM vibe.cancel_task(task) for those that are given up, or SELECT * FROM vibe.cancel_campaign(%s);', campaign.id);
    END IF;
    IF campaign.status <> 'completed' THEN
        UPDATE vibe.campaigns c
           SET status = 'completed', paused_from = NULL, ended_at = at, updated_at = at, tasks_to_create = NULL, batch_size = NULL
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._tell_campaign_completed(campaign, true);
    END IF;
    RETURN QUERY SELECT campaign.id, 'completed'::text;
END
$$;
COMMENT ON FUNCTION vibe.complete_campaign(bigint) IS 'Marks a campaign completed by hand, also one without tasks; those that were still to be created (tasks_to_create) are not. Locks the campaign row. Raises VB002, VB020 (never activated, cancelled), VB022, VB033 (open tasks).';

CREATE OR REPLACE FUNCTION vibe.cancel_campaign(id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (campaign_id bigint, status text, tasks_cancelled bigint, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    cancelled bigint[];
    stopped bigint;
BEGIN
    LOOP
        BEGIN
            cancelled := ARRAY(SELECT t.id FROM vibe.tasks t
                WHERE t.campaign_id = cancel_campaign.id AND t.ended_at IS NULL ORDER BY t.id FOR NO KEY UPDATE);
            stopped := vibe._cancel_tasks(cancelled, coalesce(cancel_campaign.reason, 'the campaign was cancelled'), at);
            campaign := vibe._lock_campaign(cancel_campaign.id);
            IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL) THEN
                RAISE EXCEPTION USING ERRCODE = 'VB099', MESSAGE = 'tasks were added meanwhile';
            END IF;
            EXIT;
        EXCEPTION WHEN SQLSTATE 'VB099' THEN
            NULL;
        END;
    END LOOP;
    IF campaign.status = 'completed' THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'cancelled', 'It is completed; nothing is left to cancel.');
    END IF;
    IF campaign.status <> 'cancelled' THEN
        UPDATE vibe.campaigns c
           SET status = 'cancelled', paused_from = NULL, ended_at = at, updated_at = at, tasks_to_create = NULL, batch_size = NULL
         WHERE c.id = campaign.id;
        PERFORM vibe._record('campaign_cancelled', format('Campaign "%s" was cancelled.', campaign.name),
            jsonb_build_object('tasks_cancelled', cardinality(cancelled), 'runs_stopped', stopped, 'reason', cancel_campaign.reason),
            campaign.project_id, campaign.id);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT campaign.id, 'cancelled'::text, cardinality(cancelled)::bigint, stopped;
END
$$;
COMMENT ON FUNCTION vibe.cancel_campaign(bigint, text) IS 'Gives a campaign up: cancels its open tasks, creates none of those that were still to come, and stops what runs, whole process trees. Locks its open tasks, then the campaign row. Raises VB002, VB020 (completed), VB022.';

CREATE OR REPLACE FUNCTION vibe.pause_campaign(id bigint, stop_running boolean DEFAULT false)
    RETURNS TABLE (campaign_id bigint, status text, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    locked bigint[];
    stopped bigint := 0;
BEGIN
    IF pause_campaign.stop_running THEN
        -- What is claimed after the locks were taken is left to _unclaim_paused().
        locked := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.id IN (SELECT w.task_id FROM vibe.work w WHERE w.campaign_id = pause_campaign.id AND w.state = 'held')
            ORDER BY t.id FOR NO KEY UPDATE);
        stopped := vibe._put_back(ARRAY(SELECT w.run_id FROM vibe.work w
            WHERE w.task_id = ANY (locked) AND w.state = 'held'), 'the campaign was paused', at);
    END IF;
    campaign := vibe._lock_campaign(pause_campaign.id);
    IF campaign.status NOT IN ('active', 'in_revision', 'paused') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'paused', 'Only a campaign that is at work can be paused.');
    END IF;
    IF campaign.status <> 'paused' THEN
        UPDATE vibe.campaigns c SET status = 'paused', paused_from = c.status, updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._record('campaign_paused', format('Campaign "%s" was paused.', campaign.name),
            jsonb_build_object('runs_stopped', stopped), campaign.project_id, campaign.id);
    END IF;
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT campaign.id, campaign.status, stopped;
END
$$;
COMMENT ON FUNCTION vibe.pause_campaign(bigint, boolean) IS 'active → paused: no claim that begins after the commit takes its work, nothing already claimed is started, and no batch of tasks is added. Running steps may finish, or are stopped and put back without using up an attempt (stop_running). Locks the campaign row. Raises VB002, VB020, VB022.';

CREATE OR REPLACE FUNCTION vibe.generate_tasks(campaign_id bigint, how_many integer)
    RETURNS TABLE (tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    created bigint;
BEGIN
    IF (generate_tasks.how_many BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('how_many', generate_tasks.how_many::text, 'Use 1 to 1000000.');
    END IF;
    campaign := vibe._lock_campaign(generate_tasks.campaign_id);
    IF campaign.status NOT IN ('active', 'paused', 'in_revision') THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    created := vibe._create_tasks(campaign, generate_tasks.how_many, at);
    PERFORM vibe._record_generated(campaign, created, campaign.tasks_to_create);
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT created;
END
$$;
COMMENT ON FUNCTION vibe.generate_tasks(bigint, integer) IS 'Adds tasks to an active or paused campaign and makes their first step ready. Locks the campaign row. Raises VB002, VB021 (not active), VB022, VB030, VB034 (more than 1000000).';

CREATE OR REPLACE FUNCTION vibe._campaign_infos(ids bigint[])
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.project_id, j.slug, c.slug, c.name, c.description, c.status,
           p.id, p.slug, v.number, c.target_article_count,
           n.total, n.completed, n.cancelled, n.blocked,
           c.seed_keywords, c.competitor_urls, c.focus_group_ids, c.deliverables, c.budget_usd,
           c.task_budget_usd, c.run_budget_usd,
           c.max_revisions, c.max_parallel, c.backlog_threshold, c.backlog_agent, c.notes,
           c.created_at, c.updated_at, c.activated_at, c.reopened_at, c.ended_at, c.tasks_to_create
      FROM vibe.campaigns c
      JOIN vibe.projects j ON j.id = c.project_id
      JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
     CROSS JOIN LATERAL (
        SELECT count(*) AS total, count(*) FILTER (WHERE t.status = 'completed') AS completed,
               count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE t.status = 'blocked') AS blocked
          FROM vibe.tasks t WHERE t.campaign_id = c.id) n
     WHERE c.id = ANY (ids)
     ORDER BY c.id DESC;
END;
COMMENT ON FUNCTION vibe._campaign_infos(bigint[]) IS 'These campaigns, newest first.';

CREATE OR REPLACE FUNCTION vibe.get_campaign(id bigint)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY[get_campaign.id]);
END;
COMMENT ON FUNCTION vibe.get_campaign(bigint) IS 'One campaign, or no row.';

CREATE OR REPLACE FUNCTION vibe.get_campaign_by_slug(slug text)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.slug = get_campaign_by_slug.slug));
END;
COMMENT ON FUNCTION vibe.get_campaign_by_slug(text) IS 'One campaign, or no row.';

CREATE OR REPLACE FUNCTION vibe.list_active_campaigns()
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.status IN ('active', 'in_revision')));
END;
COMMENT ON FUNCTION vibe.list_active_campaigns() IS 'Campaigns that are at work (active or in_revision), newest first.';

CREATE OR REPLACE FUNCTION vibe.activate_campaign(id bigint, batch_size integer DEFAULT NULL)
    RETURNS TABLE (campaign_id bigint, status text, tasks_created bigint, tasks_to_create bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    begins boolean;
    created bigint := 0;
    left_over bigint := 0;
BEGIN
    IF activate_campaign.batch_size NOT BETWEEN 1 AND 1000000 THEN
        PERFORM vibe._invalid_argument('batch_size', activate_campaign.batch_size::text,
            'Use 1 to 1000000, or NULL for all tasks at once.');
    END IF;
    campaign := vibe._lock_campaign(activate_campaign.id);
    IF campaign.status NOT IN ('planning', 'paused', 'active', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'activated', 'Create a new campaign.');
    END IF;
    begins := campaign.status IN ('planning', 'paused');
    IF begins THEN
        UPDATE vibe.campaigns c
           SET status = coalesce(c.paused_from, 'active'), paused_from = NULL,
               activated_at = coalesce(c.activated_at, at), updated_at = at,
               tasks_to_create = CASE WHEN c.activated_at IS NULL THEN c.target_article_count ELSE c.tasks_to_create END,
               batch_size = CASE WHEN c.activated_at IS NULL THEN c.target_article_count ELSE c.batch_size END
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
    END IF;
    IF campaign.tasks_to_create IS NOT NULL THEN
        campaign.batch_size := coalesce(activate_campaign.batch_size, campaign.batch_size);
        created := vibe._create_batch(campaign, at);
        left_over := campaign.tasks_to_create - created;
    END IF;
    IF begins THEN
        PERFORM vibe._note_home();
        PERFORM vibe._record('campaign_activated', format('Campaign "%s" was activated.', campaign.name),
            jsonb_strip_nulls(jsonb_build_object('tasks_created', created, 'tasks_to_create', nullif(left_over, 0))),
            campaign.project_id, campaign.id);
    ELSIF created > 0 THEN
        PERFORM vibe._record_generated(campaign, created, left_over);
    END IF;
    IF begins OR created > 0 THEN
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status, created, left_over;
END
$$;
COMMENT ON FUNCTION vibe.activate_campaign(bigint, integer) IS 'planning or paused → active: creates target_article_count tasks once, beside those that create_task() made while it was planned, and makes their first step ready. Without batch_size (NULL) all are created in the caller''s transaction, and a second call creates nothing. With one the call creates that many, and tasks_to_create says how many are left: each further call creates the next batch, of the same size unless it gives another one, and so do sweeps by themselves while the campaign is not paused. Until none is left the campaign is not completed by itself. Locks the campaign row. Raises VB002 (campaign), VB020 (completed or cancelled), VB022 (isolation level), VB030 (batch_size), VB034 (more than 1000000).';

CREATE OR REPLACE FUNCTION vibe._create_batch(campaign vibe.campaigns, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    how_many integer := least(campaign.batch_size, campaign.tasks_to_create);
    created bigint;
BEGIN
    campaign.tasks_to_create := campaign.tasks_to_create - how_many;
    created := vibe._create_tasks(campaign, how_many, at);
    UPDATE vibe.campaigns c
       SET tasks_to_create = nullif(campaign.tasks_to_create, 0), updated_at = at,
           batch_size = CASE WHEN campaign.tasks_to_create > 0 THEN campaign.batch_size END
     WHERE c.id = campaign.id;
    RETURN created;
END
$$;
COMMENT ON FUNCTION vibe._create_batch(vibe.campaigns, timestamptz) IS 'Creates the next batch_size of the tasks that a campaign still has to create. Raises VB034.';

CREATE OR REPLACE FUNCTION vibe._record_generated(campaign vibe.campaigns, created bigint, left_over bigint)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN vibe._record('tasks_generated', format('%s tasks were added to campaign "%s".', created, campaign.name),
        jsonb_strip_nulls(jsonb_build_object('tasks_created', created, 'tasks_to_create', nullif(left_over, 0))),
        campaign.project_id, campaign.id);
END
$$;
COMMENT ON FUNCTION vibe._record_generated(vibe.campaigns, bigint, bigint) IS 'Notes in the history that tasks were added, and how many are still to be.';

CREATE OR REPLACE FUNCTION vibe._add_batches(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
    created bigint;
    total bigint := 0;
BEGIN
    FOR i IN 1..100 LOOP
        SELECT * INTO campaign FROM vibe.campaigns c WHERE c.tasks_to_create IS NOT NULL AND c.status <> 'paused'
         ORDER BY c.updated_at, c.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        EXIT WHEN NOT FOUND;
        created := vibe._create_batch(campaign, at);
        PERFORM vibe._record_generated(campaign, created, campaign.tasks_to_create - created);
        total := total + created;
        EXIT WHEN total >= 5000;
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION vibe._add_batches(timestamptz) IS 'Creates what campaigns that were activated in batches still have to create: batch by batch until 5000 tasks, or 100 batches, were added.';

CREATE OR REPLACE FUNCTION vibe._health_batches(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'tasks to create', CASE WHEN b.late > 0 THEN 'warn' ELSE 'ok' END,
           format('%s of %s campaigns', coalesce(b.tasks, 0), b.campaigns),
           CASE WHEN b.late > 0 THEN format('SELECT * FROM vibe.activate_campaign(%s); or vibe.sweep() adds the next batch.', b.first_late) END
      FROM (SELECT sum(c.tasks_to_create) AS tasks, count(*) AS campaigns, count(*) FILTER (WHERE l.late) AS late,
                   min(c.id) FILTER (WHERE l.late) AS first_late
              FROM vibe.campaigns c
             CROSS JOIN LATERAL (SELECT c.status <> 'paused' AND c.updated_at < at - greatest(interval '30 minutes', 3 * vibe._setting('sweep_interval')) AS late) l
             WHERE c.tasks_to_create IS NOT NULL) b;
END;
COMMENT ON FUNCTION vibe._health_batches(timestamptz) IS 'How many tasks campaigns that were activated in batches still have to create, and whether nobody adds them.';
REVOKE ALL ON FUNCTION vibe.activate_campaign, vibe.campaign_progress, vibe.sweep, vibe._create_batch, vibe._record_generated, vibe._add_batches, vibe._health_batches FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe.activate_campaign, vibe.sweep TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.campaign_progress, vibe._health_batches TO vibe_viewer;

-- Ends of runs wait until what was done before is in the sums.
LOCK TABLE vibe.runs IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE vibe.usage_entries
    ADD COLUMN tasks_done integer NOT NULL DEFAULT 0,
    ADD COLUMN score_before numeric,
    ADD COLUMN score_after numeric,
    ADD COLUMN scored_agents text[];
COMMENT ON TABLE vibe.usage_entries IS 'What ended runs used and did that is not part of vibe.usage_totals and vibe.agent_results yet: one row per run, a few hundred at most.';
COMMENT ON COLUMN vibe.usage_entries.tasks_done IS '1 if it was done and is its agent''s first such run of the task, else 0.';
COMMENT ON COLUMN vibe.usage_entries.score_before IS 'Done: the score of its task before it.';
COMMENT ON COLUMN vibe.usage_entries.score_after IS 'Done: the score of its task from it on.';
COMMENT ON COLUMN vibe.usage_entries.scored_agents IS 'Where it changed the score: whose done runs came before it, names may repeat.';

-- Summands, so that whoever changes a sum waits for nobody; merging leaves one row of an agent.
CREATE TABLE vibe.agent_results (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    agent_name text NOT NULL,
    tasks bigint NOT NULL,
    scored_tasks bigint NOT NULL,
    scores numeric NOT NULL
);
COMMENT ON TABLE vibe.agent_results IS 'What agents did, as summands: with vibe.usage_entries and the runs whose process still has to end it is all that was ever done and not replaced, pruned runs and deleted tasks included. A few rows per agent.';
COMMENT ON COLUMN vibe.agent_results.id IS 'Key.';
COMMENT ON COLUMN vibe.agent_results.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_results.tasks IS 'Tasks it did a step of; negative where a revision replaced it.';
COMMENT ON COLUMN vibe.agent_results.scored_tasks IS 'How many of them have a score.';
COMMENT ON COLUMN vibe.agent_results.scores IS 'The sum of these scores.';

SELECT pg_catalog.pg_extension_config_dump('vibe.agent_results', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_results_id_seq', '');
REVOKE ALL ON SEQUENCE vibe.agent_results_id_seq FROM PUBLIC;
GRANT SELECT ON vibe.agent_results TO vibe_viewer;

-- What agents did: how many tasks they did a step of, and the scores of these tasks now. A sum over all runs would read
-- history, so each done run has a share in it, which is written into its entry at its end and merged from there.
--
-- A share is told from the done runs of the task that were closed before: whether the agent had done a step of it, what
-- its score was, and whose sums a new score changes. Runs are closed as done under the lock of their task, so those
-- before are there and stay, and a share is the same whenever it is asked for, at the close or at the end. What
-- is superseded changes the shares of others: whoever supersedes takes the shares of the task's runs off before and adds
-- those that are left after.

-- Inlined into the INSERT at the end of each run. The greatest pair is the last one, without the sort of an ORDER BY.
-- coalesce: without it the indexes of what is closed would do, one of which a session that planned early reads whole.
CREATE FUNCTION vibe._done_before(task_id bigint, event bigint)
    RETURNS TABLE (agents text[], score numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT array_agg(r.agent_name),
           (max(ARRAY[r.close_event, r.quality_score]) FILTER (WHERE r.branch = '' AND r.quality_score IS NOT NULL))[2]
      FROM vibe.runs r
     WHERE r.task_id = _done_before.task_id AND r.outcome = 'done' AND NOT r.superseded
       AND coalesce(r.close_event, 9223372036854775807) < event;
END;
COMMENT ON FUNCTION vibe._done_before(bigint, bigint) IS 'The agents of the done runs of a task that were closed before an event and count, and its score then. One row, also with NULL for the task.';

CREATE FUNCTION vibe._shares(agent text, tasks_done integer, score_before numeric, score_after numeric, scored_agents text[])
    RETURNS TABLE (agent_name text, tasks integer, scored_tasks integer, scores numeric)
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT agent, tasks_done,
           num_nonnulls(score_after) - CASE WHEN tasks_done = 0 THEN num_nonnulls(score_before) ELSE 0 END,
           coalesce(score_after, 0) - CASE WHEN tasks_done = 0 THEN coalesce(score_before, 0) ELSE 0 END
    UNION ALL
    SELECT o.name, 0, num_nonnulls(score_after) - num_nonnulls(score_before), coalesce(score_after, 0) - coalesce(score_before, 0)
      FROM (SELECT DISTINCT u.name FROM unnest(scored_agents) u(name)) o WHERE o.name <> agent;
END;
COMMENT ON FUNCTION vibe._shares(text, integer, numeric, numeric, text[]) IS 'What a run adds to the sums of its agent, and of those whose task it scored; the arguments are as in vibe.usage_entries.';

CREATE FUNCTION vibe._shares_of_runs(ids bigint[])
    RETURNS TABLE (agent_name text, tasks integer, scored_tasks integer, scores numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
      FROM vibe.runs r
     CROSS JOIN LATERAL vibe._done_before(r.task_id, r.close_event) b
     CROSS JOIN LATERAL vibe._shares(r.agent_name, (r.agent_name = ANY (b.agents) IS NOT TRUE)::integer, b.score,
            coalesce(CASE WHEN r.branch = '' THEN r.quality_score END, b.score), b.agents) s
     WHERE r.id = ANY (ids) AND r.outcome = 'done' AND NOT r.superseded;
END;
COMMENT ON FUNCTION vibe._shares_of_runs(bigint[]) IS 'What closed runs add to the sums of agents, as their entries say it; no row for one that is not done or does not count.';

-- Tables written: agent_results. The task is locked by the caller; whoever ends a run has locked it as well, so that no
-- share is told of what is being superseded.
CREATE FUNCTION vibe._add_results(task_id bigint, sign integer)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    added bigint;
BEGIN
    INSERT INTO vibe.agent_results (agent_name, tasks, scored_tasks, scores)
    SELECT s.agent_name, sign * sum(s.tasks), sign * sum(s.scored_tasks), sign * sum(s.scores)
      FROM vibe._shares_of_runs(ARRAY(SELECT r.id FROM vibe.runs r WHERE r.task_id = _add_results.task_id AND r.ended_at IS NOT NULL)) s
     GROUP BY s.agent_name;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
COMMENT ON FUNCTION vibe._add_results(bigint, integer) IS 'Adds (1) or takes off (-1) the shares of a task''s ended runs; around whatever supersedes some of them.';

CREATE FUNCTION vibe._agent_results()
    RETURNS TABLE (agent_name text, tasks bigint, average_score numeric)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.agent_name, sum(a.tasks)::bigint, sum(a.scores) / nullif(sum(a.scored_tasks), 0)
      FROM (SELECT t.agent_name, t.tasks, t.scored_tasks, t.scores FROM vibe.agent_results t
            UNION ALL
            SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
              FROM vibe.usage_entries e
             CROSS JOIN LATERAL vibe._shares(e.agent_name, e.tasks_done, e.score_before, e.score_after, e.scored_agents) s
            UNION ALL
            SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
              FROM vibe._shares_of_runs(ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.closed_at IS NOT NULL)) s) a
     GROUP BY a.agent_name;
END;
COMMENT ON FUNCTION vibe._agent_results() IS 'How many tasks each agent did a step of, and the average score of these.';
REVOKE ALL ON FUNCTION vibe._done_before, vibe._shares, vibe._shares_of_runs, vibe._add_results, vibe._agent_results FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vibe._done_before, vibe._shares, vibe._shares_of_runs, vibe._agent_results TO vibe_viewer;

-- Done runs whose process still has to end add their shares then.
INSERT INTO vibe.agent_results (agent_name, tasks, scored_tasks, scores)
SELECT d.agent_name, count(*), count(t.quality_score), coalesce(sum(t.quality_score), 0)
  FROM (SELECT DISTINCT r.agent_name, r.task_id FROM vibe.runs r WHERE r.outcome = 'done' AND NOT r.superseded) d
  JOIN vibe.tasks t ON t.id = d.task_id
 GROUP BY d.agent_name
UNION ALL
SELECT s.agent_name, -sum(s.tasks), -sum(s.scored_tasks), -sum(s.scores)
  FROM vibe._shares_of_runs(ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.closed_at IS NOT NULL)) s
 GROUP BY s.agent_name;

-- Whether an agent has work that waits for a person. A write that comes to this changes the keys of others anyway.
CREATE INDEX work_person_idx ON vibe.work (agent_name, task_id) WHERE waiting_for = 'person';

COMMENT ON FUNCTION vibe._count_usage() IS 'Counts what a run used and did at its end, once.';
CREATE OR REPLACE FUNCTION vibe._merge_usage(most integer)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    merged bigint := 0;
BEGIN
    IF NOT vibe._try_lock_limit('usage') THEN
        RETURN 0;
    END IF;
    WITH gone AS (
        DELETE FROM vibe.usage_entries e
         WHERE e.run_id IN (SELECT x.run_id FROM vibe.usage_entries x ORDER BY x.run_id LIMIT most)
        RETURNING e.*
    ), added AS (
        INSERT INTO vibe.usage_totals AS t (campaign_id, project_id, agent_name, provider, model, branch, step, day, runs, unknown_cost_runs,
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd)
        SELECT g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day, count(*), sum(g.unknown_cost_runs),
               sum(g.input_tokens), sum(g.output_tokens), sum(g.cache_read_tokens), sum(g.cache_write_tokens), sum(g.cost_usd), sum(g.counted_usd)
          FROM gone g
         GROUP BY g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day
        ON CONFLICT ON CONSTRAINT usage_totals_pkey DO UPDATE
           SET runs = t.runs + excluded.runs, unknown_cost_runs = t.unknown_cost_runs + excluded.unknown_cost_runs,
               input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
               cache_read_tokens = t.cache_read_tokens + excluded.cache_read_tokens,
               cache_write_tokens = t.cache_write_tokens + excluded.cache_write_tokens,
               cost_usd = coalesce(t.cost_usd + excluded.cost_usd, t.cost_usd, excluded.cost_usd),
               counted_usd = t.counted_usd + excluded.counted_usd
    ), summands AS (
        DELETE FROM vibe.agent_results a WHERE EXISTS (SELECT 1 FROM gone) RETURNING a.agent_name, a.tasks, a.scored_tasks, a.scores
    ), results AS (
        INSERT INTO vibe.agent_results (agent_name, tasks, scored_tasks, scores)
        SELECT a.agent_name, sum(a.tasks), sum(a.scored_tasks), sum(a.scores)
          FROM (SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores FROM summands s
                UNION ALL
                SELECT s.agent_name, s.tasks, s.scored_tasks, s.scores
                  FROM gone g
                 CROSS JOIN LATERAL vibe._shares(g.agent_name, g.tasks_done, g.score_before, g.score_after, g.scored_agents) s) a
         GROUP BY a.agent_name
    )
    SELECT count(*) INTO merged FROM gone;
    RETURN merged;
END
$$;
COMMENT ON FUNCTION vibe._merge_usage(integer) IS 'Adds so many entries of ended runs to the totals; returns how many.';

CREATE OR REPLACE FUNCTION vibe._supersede(
    task vibe.tasks, target_step integer, notes text, rerun_branches boolean, asked_by bigint, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    triggered text[] := ARRAY(SELECT s.branch FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> '' AND s.trigger_after_step >= target_step);
    dropped text[];
    stopped bigint[];
BEGIN
    -- A claim may be taking a row at this moment: wait for it, then see its run.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    SELECT coalesce(array_agg(w.run_id) FILTER (WHERE w.run_id IS NOT NULL AND w.run_id IS DISTINCT FROM asked_by), '{}'),
           coalesce(array_agg(w.branch) FILTER (WHERE w.branch <> ''), '{}')
      INTO stopped, dropped
      FROM vibe.work w WHERE w.task_id = task.id AND (w.branch = '' OR w.branch = ANY (triggered));
    DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = ANY (dropped);
    PERFORM vibe._close_run(i, 'cancelled', 'superseded by a revision', at) FROM unnest(stopped) i;
    PERFORM vibe._add_results(task.id, -1);
    -- Also what a dropped branch had made and nobody had approved: its gate must not pass as done.
    UPDATE vibe.runs r
       SET superseded = true, notes = CASE WHEN rerun_branches AND r.branch <> '' THEN _supersede.notes ELSE r.notes END
     WHERE r.task_id = task.id AND NOT r.superseded
       AND (r.branch = '' AND r.step >= target_step OR r.branch = ANY (CASE WHEN rerun_branches THEN triggered ELSE dropped END));
    PERFORM vibe._add_results(task.id, 1);
    RETURN cardinality(stopped);
END
$$;
COMMENT ON FUNCTION vibe._supersede(vibe.tasks, integer, text, boolean, bigint, timestamptz) IS 'Stops and supersedes whatever a task has at or after a main step.';

CREATE OR REPLACE FUNCTION vibe._send_back_branch(
    task vibe.tasks, branch text, notes text, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    branch_step vibe.pipeline_steps := vibe._branch_step(task, branch);
    last_run bigint;
    item vibe.work;
BEGIN
    revisions := task.revision_count + 1;
    is_blocked := revisions > vibe._max_revisions(task);
    agent_name := branch_step.agent_name;
    -- The claim may be taking the row at this moment: wait for it, then see its run.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _send_back_branch.branch FOR UPDATE;
    last_run := vibe._last_run_of_branch(task, branch_step);
    PERFORM vibe._close_run(item.run_id, 'cancelled', 'superseded by a revision', at);
    PERFORM vibe._add_results(task.id, -1);
    UPDATE vibe.runs r SET superseded = true, notes = CASE WHEN r.id = last_run THEN _send_back_branch.notes ELSE r.notes END
     WHERE r.task_id = task.id AND r.branch = _send_back_branch.branch AND (NOT r.superseded OR r.id = last_run);
    PERFORM vibe._add_results(task.id, 1);
    UPDATE vibe.tasks t
       SET revision_count = revisions, cancelled_branches = array_remove(t.cancelled_branches, _send_back_branch.branch),
           status = CASE WHEN task.ended_at IS NULL THEN t.status ELSE 'revision_needed' END, ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._open_branch(task, branch_step, CASE WHEN is_blocked THEN 'person' END, NULL, at);
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s", branch "%s".', revisions, left(task.title, 200), branch),
        jsonb_build_object('notes', notes, 'branch', branch, 'revision', revisions), task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        PERFORM vibe._block(task, branch, format('revision %s exceeds the cap of %s', revisions, vibe._max_revisions(task)), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._send_back_branch(vibe.tasks, text, text, timestamptz) IS 'Another round of one branch with notes: its result is superseded, what runs of it is stopped, the round is counted. Raises VB007, VB020.';

CREATE OR REPLACE FUNCTION vibe.cancel_branch(task_id bigint, branch text, reason text DEFAULT NULL)
    RETURNS TABLE (cancelled boolean, runs_stopped bigint, next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(cancel_branch.task_id);
    given_up text := (vibe._branch_step(task, cancel_branch.branch)).branch;
    held bigint;
BEGIN
    cancelled := given_up <> ALL (task.cancelled_branches);
    runs_stopped := 0;
    task_status := task.status;
    task_completed := false;
    IF cancelled THEN
        -- A claim may be taking the row at this moment: wait for it, then see its run.
        SELECT w.run_id INTO held FROM vibe.work w WHERE w.task_id = task.id AND w.branch = given_up FOR UPDATE;
        PERFORM vibe._check_branch_cancellable(task, given_up);
        runs_stopped := count(vibe._close_run(held, 'cancelled', coalesce(cancel_branch.reason, 'the branch was cancelled'), at));
        -- What nobody had approved is no result.
        PERFORM vibe._add_results(task.id, -1);
        UPDATE vibe.runs r SET superseded = true WHERE r.task_id = task.id AND r.branch = given_up AND NOT r.superseded;
        PERFORM vibe._add_results(task.id, 1);
        UPDATE vibe.tasks t SET cancelled_branches = t.cancelled_branches || given_up, updated_at = at
         WHERE t.id = task.id
        RETURNING * INTO task;
        PERFORM vibe._record('branch_cancelled', format('Branch "%s" of task "%s" was cancelled.', given_up, left(task.title, 200)),
            jsonb_build_object('branch', given_up, 'reason', cancel_branch.reason, 'runs_stopped', runs_stopped),
            task.project_id, task.campaign_id, task.id);
        -- A task without any work is the sweep's to judge: it may have lost more than this branch.
        IF EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id) THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, given_up, at);
        END IF;
        IF task_completed THEN
            PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.cancel_branch(bigint, text, text) IS 'Gives one branch of a task up, started or not: its run is stopped, its work dropped, and it counts as settled, so that the converging step or the task''s end waits for it no more. It stays cancelled through revisions and sweeps until retry_step(task_id, branch) opens it again. A second call changes nothing (cancelled false). Locks the task row, at the task''s end also the campaign row. Raises VB003, VB007 (no such branch), VB020 (done, or the task has ended), VB022.';

CREATE OR REPLACE FUNCTION vibe._agent_states(only_name text)
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

CREATE OR REPLACE FUNCTION vibe.list_agents(status text DEFAULT NULL)
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

-- What an agent did last is read by the place of its runs in the feed, which has an index for each agent.
DROP INDEX vibe.runs_agent_idx;
