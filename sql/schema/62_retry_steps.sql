-- Many parked steps again, in one call.

CREATE FUNCTION vibe._check_retry_filter(filter jsonb)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wrong text;
BEGIN
    IF (jsonb_typeof(filter) = 'object') IS NOT TRUE OR filter - 'note' = '{}' THEN
        PERFORM vibe._invalid_argument('filter', filter::text,
            'Name at least one of campaign_id, project_id, agent_name, outcome, waiting_for, task_ids.');
    END IF;
    SELECT k.key INTO wrong FROM jsonb_each(filter) k
     WHERE NOT CASE
        WHEN k.key IN ('campaign_id', 'project_id') THEN vibe._is_id(k.value)
        WHEN k.key IN ('agent_name', 'outcome', 'note') THEN jsonb_typeof(k.value) = 'string'
        WHEN k.key = 'waiting_for' THEN k.value IN ('"person"', '"back_off"')
        WHEN k.key = 'task_ids' THEN jsonb_typeof(k.value) = 'array'
            AND (SELECT coalesce(bool_and(vibe._is_id(e)), true) FROM jsonb_array_elements(
                    CASE WHEN jsonb_typeof(k.value) = 'array' THEN k.value ELSE '[]' END) e)
        ELSE false END
     ORDER BY k.key LIMIT 1;
    IF FOUND THEN
        PERFORM vibe._invalid_argument('filter', format('%s: %s', wrong, filter -> wrong),
            'Keys are campaign_id, project_id (numbers), agent_name, outcome, note (text), waiting_for (person or back_off), task_ids (a list of numbers).');
    ELSIF NOT EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = coalesce(filter ->> 'outcome', 'done')) THEN
        PERFORM vibe._invalid_argument('filter', format('outcome: %s', filter -> 'outcome'), 'SELECT * FROM vibe.outcomes lists them.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_retry_filter(jsonb) IS 'Raises VB030 for a filter of retry_steps() that is empty, has an unknown key, or a value of the wrong kind.';

CREATE FUNCTION vibe._is_id(value jsonb)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(CASE WHEN jsonb_typeof(value) = 'number'
        THEN (value #>> '{}')::numeric BETWEEN 0 AND 9223372036854775807 AND mod((value #>> '{}')::numeric, 1) = 0 END, false);
END;
COMMENT ON FUNCTION vibe._is_id(jsonb) IS 'Whether a JSON value can be a key: a whole number in the range of bigint.';

CREATE FUNCTION vibe._parked(filter jsonb)
    RETURNS SETOF vibe.work
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT w.*
      FROM vibe.work w
      JOIN vibe.tasks t ON t.id = w.task_id
     WHERE w.waiting_for IN ('person', 'back_off')
       AND w.waiting_for = coalesce(filter ->> 'waiting_for', w.waiting_for)
       AND w.campaign_id = coalesce((filter ->> 'campaign_id')::numeric::bigint, w.campaign_id)
       AND t.project_id = coalesce((filter ->> 'project_id')::numeric::bigint, t.project_id)
       AND w.agent_name = coalesce(filter ->> 'agent_name', w.agent_name)
       AND (filter -> 'task_ids' IS NULL
            OR w.task_id IN (SELECT e::numeric::bigint FROM jsonb_array_elements_text(filter -> 'task_ids') e))
       AND (filter -> 'outcome' IS NULL
            OR (SELECT r.outcome FROM vibe.runs r WHERE r.task_id = w.task_id AND r.branch = w.branch
                 ORDER BY r.id DESC LIMIT 1) = filter ->> 'outcome');
END;
COMMENT ON FUNCTION vibe._parked(jsonb) IS 'The steps that wait for a person or for their back-off and match a filter of retry_steps().';

-- Tables written: work, tasks, activities. Locks, in order: the tasks, ids ascending; their work rows.
CREATE FUNCTION vibe.retry_steps(filter jsonb)
    RETURNS TABLE (task_id bigint, branch text, step integer, agent_name text, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    locked bigint[];
BEGIN
    PERFORM vibe._check_retry_filter(retry_steps.filter);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id IN (SELECT p.task_id FROM vibe._parked(retry_steps.filter) p)
        ORDER BY t.id FOR NO KEY UPDATE);
    -- The end of a back-off takes work rows without the task's lock.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = ANY (locked) ORDER BY w.task_id, w.branch FOR UPDATE;
    -- Looked at again under the locks: what was parked a moment ago may have moved.
    RETURN QUERY
    SELECT w.task_id, w.branch, w.step, w.agent_name, vibe._retry(t, w, retry_steps.filter ->> 'note', at)
      FROM vibe._parked(retry_steps.filter) w
      JOIN vibe.tasks t ON t.id = w.task_id
     WHERE w.task_id = ANY (locked)
     ORDER BY w.task_id, w.branch;
    PERFORM vibe._wake(true);
END
$$;
COMMENT ON FUNCTION vibe.retry_steps(jsonb) IS 'retry_step() for every parked step that matches all keys of a filter: campaign_id, project_id, agent_name, outcome (of its last run), waiting_for (person or back_off), task_ids. The key note is no condition: it reaches their next runs. Returns what is tried again; gates and running steps are left alone. Locks the task rows, ids ascending. Raises VB022, VB030 (empty filter, unknown key, bad value).';
