-- The ends of runs, whoever decides them, and the work that they held. Called with the task rows locked.

-- A hand-held run has no process of ours, so its end is its close.
CREATE FUNCTION vibe._close_run(run_id bigint, outcome text, error text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    closed bigint;
BEGIN
    UPDATE vibe.runs r
       SET outcome = _close_run.outcome, error = left(_close_run.error, 4000), closed_at = at,
           ended_at = CASE WHEN r.started_by = 'hand' THEN at ELSE r.ended_at END
     WHERE r.id = _close_run.run_id AND r.closed_at IS NULL
    RETURNING r.id INTO closed;
    RETURN closed;
END
$$;
COMMENT ON FUNCTION vibe._close_run(bigint, text, text, timestamptz) IS 'Closes a run that was not done: its token writes no more. Returns its id, or nothing if it was closed already.';

-- Numbers in a record come from an agent: whatever is no finite number of the right sign is left out.
CREATE FUNCTION vibe._count(value jsonb)
    RETURNS bigint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e15
        THEN round((value #>> '{}')::numeric)::bigint END;
END;
COMMENT ON FUNCTION vibe._count(jsonb) IS 'A JSON number as a count; NULL where it is none.';

CREATE FUNCTION vibe._small_count(value jsonb)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN vibe._count(value) <= 2147483647 THEN vibe._count(value)::integer END;
END;
COMMENT ON FUNCTION vibe._small_count(jsonb) IS 'A JSON number as an integer that is not negative; NULL where it is none.';

CREATE FUNCTION vibe._amount(value jsonb)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e9
        THEN round((value #>> '{}')::numeric, 8) END;
END;
COMMENT ON FUNCTION vibe._amount(jsonb) IS 'A JSON number as an amount of money; NULL where it is none.';

CREATE TYPE vibe._run_end AS (
    run_id bigint, outcome text, error text, answer jsonb, summary text, output jsonb, output_path text, quality_score numeric, notes text,
    superseded boolean, record jsonb);
COMMENT ON TYPE vibe._run_end IS 'How a run ended: its verdict (what it was worth; NULL if that was decided before) and its record (how its process ended; NULL if it has not).';

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

-- By the work row's key: there is no index on run_id, which every claim would have to write.
CREATE FUNCTION vibe._free_work(run_ids bigint[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    freed bigint;
BEGIN
    UPDATE vibe.work w SET state = 'ready', run_id = NULL, since = at
      FROM vibe.runs r
     WHERE r.id = ANY (run_ids) AND w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id;
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;
COMMENT ON FUNCTION vibe._free_work(bigint[], timestamptz) IS 'Makes the steps ready that these runs hold.';

-- Tables written: work, runs. Steps go back to ready without using up an attempt; processes are told to end.
CREATE FUNCTION vibe._put_back(run_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._free_work(run_ids, at);
    RETURN (SELECT count(vibe._close_run(i, 'cancelled', reason, at)) FROM unnest(run_ids) i);
END
$$;
COMMENT ON FUNCTION vibe._put_back(bigint[], text, timestamptz) IS 'Closes runs as cancelled and makes their steps ready again.';

-- Tables written: work, runs, tasks, activities. The tasks are locked by the caller, ids ascending.
CREATE FUNCTION vibe._cancel_tasks(task_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    held bigint[];
    stopped bigint;
BEGIN
    WITH gone AS (
        DELETE FROM vibe.work w WHERE w.task_id = ANY (task_ids) RETURNING w.run_id
    )
    SELECT array_agg(g.run_id ORDER BY g.run_id) INTO held FROM gone g WHERE g.run_id IS NOT NULL;
    SELECT count(vibe._close_run(i, 'cancelled', reason, at)) INTO stopped FROM unnest(held) i;
    UPDATE vibe.tasks t SET status = 'cancelled', step = NULL, ended_at = at, updated_at = at
     WHERE t.id = ANY (task_ids);
    RETURN stopped;
END
$$;
COMMENT ON FUNCTION vibe._cancel_tasks(bigint[], text, timestamptz) IS 'Cancels locked tasks: drops their work, closes their runs. Returns how many runs were stopped.';
