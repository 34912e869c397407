-- Verbs that change what a task says about itself, and who has to do with it. None moves it.

-- Tables written: tasks, work, activities. Locks, in order: the task row, its work rows.
CREATE FUNCTION vibe._set_priority(task vibe.tasks, priority text, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.tasks t SET priority = _set_priority.priority, updated_at = at
     WHERE t.id = task.id AND t.priority <> _set_priority.priority;
    IF FOUND THEN
        PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
        UPDATE vibe.work w SET priority = vibe._priority_rank(_set_priority.priority) WHERE w.task_id = task.id;
        PERFORM vibe._wake(false);
        RETURN true;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION vibe._set_priority(vibe.tasks, text, timestamptz) IS 'Gives a locked task and its work another place in the queue; false if it has that priority.';

CREATE FUNCTION vibe.set_priority(task_id bigint, priority text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_priority(set_priority.priority);
    task := vibe._lock_task(set_priority.task_id);
    IF vibe._set_priority(task, set_priority.priority, at) THEN
        PERFORM vibe._record('task_updated', format('Task "%s" has priority %s.', left(task.title, 200), set_priority.priority),
            jsonb_build_object('priority', set_priority.priority), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.set_priority(bigint, text) IS 'Gives a task, and what of it is ready or waiting, the priority low, medium, high or urgent. Locks the task row, then its work. Raises VB003, VB022, VB030.';

CREATE FUNCTION vibe.update_task(id bigint, changes jsonb)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_fields('changes', update_task.changes,
        ARRAY['title', 'description', 'keyword', 'priority', 'deliverables']);
    task := vibe._lock_task(update_task.id);
    PERFORM vibe._set_priority(task, vibe._check_priority(vibe._text_field(changes, 'priority', task.priority)), at);
    task.title := vibe._text_field(changes, 'title', task.title);
    task.description := vibe._text_field(changes, 'description', task.description);
    task.keyword := vibe._text_field(changes, 'keyword', task.keyword);
    IF changes ? 'deliverables' THEN
        task.deliverables := nullif(changes -> 'deliverables', 'null');
    END IF;
    PERFORM vibe._check_task(task);
    UPDATE vibe.tasks t
       SET title = task.title, description = task.description, keyword = task.keyword,
           deliverables = task.deliverables, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('task_updated', format('Task "%s" was changed.', left(task.title, 200)), update_task.changes,
        task.project_id, task.campaign_id, task.id);
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.update_task(bigint, jsonb) IS 'Changes the fields of a task that changes names: title (its slug, and so its files, keep their name), description, keyword, priority, deliverables (for branches that have not begun; null: its campaign''s). What runs already was told the old ones. Locks the task row, then its work. Raises VB003, VB022, VB030 (another field, invalid value).';

CREATE FUNCTION vibe._check_names(argument text, names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(cardinality(names), 0) = 0 OR EXISTS (
        SELECT 1 FROM unnest(names) n WHERE btrim(coalesce(n, '')) = '' OR length(n) > 200) THEN
        PERFORM vibe._invalid_argument(argument, names::text, 'Give names of 1 to 200 characters.');
    END IF;
    RETURN names;
END
$$;
COMMENT ON FUNCTION vibe._check_names(text, text[]) IS 'Raises VB030 unless there is a name, and none is NULL, blank or too long.';

CREATE FUNCTION vibe.assign_task(id bigint, agent_names text[])
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
    added text[];
BEGIN
    PERFORM vibe._check_agents(vibe._check_names('agent_names', assign_task.agent_names));
    task := vibe._lock_task(assign_task.id);
    WITH inserted AS (
        INSERT INTO vibe.task_assignees AS a (task_id, agent_name, assigned_at)
        SELECT DISTINCT task.id, n, at FROM unnest(assign_task.agent_names) n
        ON CONFLICT ON CONSTRAINT task_assignees_pkey DO NOTHING
        RETURNING a.agent_name
    )
    SELECT array_agg(i.agent_name ORDER BY i.agent_name) INTO added FROM inserted i;
    IF added IS NOT NULL THEN
        PERFORM vibe._record('task_assigned', format('Task "%s" was assigned to %s.', left(task.title, 200), array_to_string(added, ', ')),
            jsonb_build_object('agent_names', added), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.assign_task(bigint, text[]) IS 'Adds agents that answer for a task; who does which step is said by its pipeline alone. One that is assigned already stays so. Locks the task row. Raises VB003, VB004, VB022, VB030.';

CREATE FUNCTION vibe.unassign_task(id bigint, agent_names text[] DEFAULT NULL)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    removed text[];
BEGIN
    PERFORM vibe._begin_verb();
    task := vibe._lock_task(unassign_task.id);
    WITH deleted AS (
        DELETE FROM vibe.task_assignees a
         WHERE a.task_id = task.id AND a.agent_name = ANY (coalesce(unassign_task.agent_names, ARRAY[a.agent_name]))
        RETURNING a.agent_name
    )
    SELECT array_agg(d.agent_name ORDER BY d.agent_name) INTO removed FROM deleted d;
    IF removed IS NOT NULL THEN
        PERFORM vibe._record('task_unassigned', format('Task "%s" is not assigned to %s any more.', left(task.title, 200), array_to_string(removed, ', ')),
            jsonb_build_object('agent_names', removed), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.unassign_task(bigint, text[]) IS 'Takes these agents, or all (NULL), off a task; names that are not assigned change nothing. Locks the task row. Raises VB003, VB022.';

CREATE FUNCTION vibe.add_subscriber(task_id bigint, name text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_names('name', ARRAY[add_subscriber.name]);
    task := vibe._lock_task(add_subscriber.task_id);
    INSERT INTO vibe.task_subscribers (task_id, name, subscribed_at)
    VALUES (task.id, add_subscriber.name, at)
    ON CONFLICT ON CONSTRAINT task_subscribers_pkey DO NOTHING;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.add_subscriber(bigint, text) IS 'Adds somebody who wants to hear about a task: a user, an agent, an address. A second call changes nothing. Locks the task row. Raises VB003, VB022, VB030.';

CREATE FUNCTION vibe.remove_subscriber(task_id bigint, name text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
BEGIN
    PERFORM vibe._begin_verb();
    task := vibe._lock_task(remove_subscriber.task_id);
    DELETE FROM vibe.task_subscribers s WHERE s.task_id = task.id AND s.name = remove_subscriber.name;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.remove_subscriber(bigint, text) IS 'Takes a subscriber off a task; one who is not there is no error. Locks the task row. Raises VB003, VB022.';
