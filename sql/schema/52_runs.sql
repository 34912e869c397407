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

-- The one door for how a run ended: its verdict (how it was worth, NULL if that was decided before) and its
-- record (how its process ended, NULL if it has not), in one write where both come together. What is decided stays.
CREATE FUNCTION vibe._end_run(run_id bigint, verdict vibe.runs, record jsonb, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ended vibe.runs;
    reported numeric := vibe._amount(record #> '{usage,cost_usd}');
    computed numeric := CASE WHEN reported IS NULL THEN vibe._computed_cost(_end_run.run_id, record -> 'usage') END;
BEGIN
    UPDATE vibe.runs r
       SET outcome = coalesce(r.outcome, verdict.outcome),
           closed_at = coalesce(r.closed_at, at),
           error = coalesce(r.error, verdict.error),
           answer = coalesce(r.answer, verdict.answer),
           summary = coalesce(r.summary, left(verdict.summary, 10000)),
           output = coalesce(r.output, verdict.output),
           output_path = coalesce(r.output_path, verdict.output_path),
           quality_score = coalesce(r.quality_score, verdict.quality_score),
           notes = coalesce(r.notes, verdict.notes),
           superseded = r.superseded OR coalesce(verdict.superseded, false),
           ended_at = CASE WHEN r.started_by = 'hand' OR record IS NOT NULL THEN coalesce(r.ended_at, at) END,
           exit_code = vibe._small_count(record -> 'exit_code'),
           exit_signal = vibe._small_count(record -> 'exit_signal'),
           input_tokens = coalesce(vibe._count(record #> '{usage,input_tokens}'), r.input_tokens),
           output_tokens = coalesce(vibe._count(record #> '{usage,output_tokens}'), r.output_tokens),
           cache_read_tokens = coalesce(vibe._count(record #> '{usage,cache_read_tokens}'), r.cache_read_tokens),
           cache_write_tokens = coalesce(vibe._count(record #> '{usage,cache_write_tokens}'), r.cache_write_tokens),
           cost_usd = coalesce(reported, computed, r.cost_usd),
           cost_source = CASE WHEN reported IS NOT NULL THEN 'reported' WHEN computed IS NOT NULL THEN 'computed' ELSE r.cost_source END,
           model = coalesce(r.model, left(record #>> '{usage,model}', 200)),
           session_id = coalesce(left(record ->> 'session', 200), r.session_id),
           output_tail = right(record ->> 'stdout_tail', 65536),
           error_tail = right(record ->> 'stderr_tail', 65536),
           leftover_processes = vibe._small_count(record -> 'leftover_processes')
     WHERE r.id = _end_run.run_id AND r.ended_at IS NULL
    RETURNING r.* INTO ended;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION vibe._end_run(bigint, vibe.runs, jsonb, timestamptz) IS 'Writes a run''s verdict, its process''s end, or both: exit, usage, cost, tails.';

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
