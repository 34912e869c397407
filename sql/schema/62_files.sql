-- Which files below the run directory nobody needs any more. The dispatcher reads the numbers that are there and asks
-- in batches. While this is not the data's home, as in a restore, none are.

CREATE FUNCTION vibe._unneeded_workspaces(task_ids bigint[], retention integer, also_unknown boolean)
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ended_before timestamptz := vibe.clock() - make_interval(secs => retention);
BEGIN
    IF NOT vibe._is_home() THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT i FROM unnest(task_ids) i LEFT JOIN vibe.tasks t ON t.id = i
         WHERE CASE WHEN t.id IS NULL THEN also_unknown ELSE t.ended_at <= ended_before END
           AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = i AND r.ended_at IS NULL);
END
$$;
COMMENT ON FUNCTION vibe._unneeded_workspaces(bigint[], integer, boolean) IS 'Of these tasks those that ended more than retention seconds ago and, with also_unknown, those that are not there; none of which a process works.';

CREATE FUNCTION vibe._unneeded_run_files(run_ids bigint[])
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT vibe._is_home() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT i FROM unnest(run_ids) i WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = i);
END
$$;
COMMENT ON FUNCTION vibe._unneeded_run_files(bigint[]) IS 'Of these runs those that are not there.';
