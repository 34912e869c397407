-- create_task(): one task by hand, or by an agent that sees that more is to be done.

-- An agent gives the token of an open run, and stays within that run's project; an operator gives none.
CREATE FUNCTION vibe._check_creator(project_id bigint, run_id bigint, lock_token text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    own_project bigint;
BEGIN
    IF _check_creator.run_id IS NULL AND lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
        RETURN NULL;
    END IF;
    run := vibe._run_by_token(_check_creator.run_id, lock_token);
    SELECT t.project_id INTO STRICT own_project FROM vibe.tasks t WHERE t.id = run.task_id;
    IF own_project IS DISTINCT FROM _check_creator.project_id THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB060',
            MESSAGE = 'a run creates tasks only in its own project',
            DETAIL = format('Run %s works for project %s; project %s was given.', run.id, own_project,
                coalesce(_check_creator.project_id::text, 'NULL')),
            HINT = format('Use project_id => %s, or call as a member of vibe_operator without a token.', own_project);
    END IF;
    RETURN run.id;
END
$$;
COMMENT ON FUNCTION vibe._check_creator(bigint, bigint, text) IS 'The run that creates a task, its task locked; NULL for an operator. Raises VB006, VB011, VB060.';

-- The lock that tasks which share numbers and slugs are created under: the campaign's, or the project's.
CREATE FUNCTION vibe._lock_for_task(project_id bigint, campaign_id bigint)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF campaign_id IS NULL THEN
        PERFORM vibe._lock_project_in_use(project_id);
        RETURN campaign;
    END IF;
    campaign := vibe._lock_campaign(campaign_id);
    IF campaign.project_id IS DISTINCT FROM project_id THEN
        PERFORM vibe._invalid_argument('campaign_id', campaign_id::text,
            format('Campaign "%s" is one of project %s.', campaign.slug, campaign.project_id));
    ELSIF campaign.ended_at IS NOT NULL THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._lock_for_task(bigint, bigint) IS 'The campaign that a task is created in, locked; without one all NULL, and the project is locked. Raises VB001, VB002, VB021, VB023, VB030.';

CREATE FUNCTION vibe._check_task(task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF btrim(coalesce(task.title, '')) = '' OR length(task.title) > 2000 THEN
        PERFORM vibe._invalid_argument('title', task.title, 'Give the task a title of 1 to 2000 characters.');
    ELSIF btrim(task.keyword) = '' OR length(task.keyword) > 2000 THEN
        PERFORM vibe._invalid_argument('keyword', task.keyword, 'Use 1 to 2000 characters, or NULL.');
    ELSIF length(task.idempotency_key) NOT BETWEEN 1 AND 200 THEN
        PERFORM vibe._invalid_argument('idempotency_key', task.idempotency_key, 'Use 1 to 200 characters, or NULL.');
    END IF;
    PERFORM vibe._check_priority(task.priority);
    PERFORM vibe._check_deliverables(task.deliverables);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_task(vibe.tasks) IS 'Raises VB030 for a task that cannot be stored.';

-- A title that reads like another one gets "--" and the task's number, as in _create_tasks().
CREATE FUNCTION vibe._free_slug(task vibe.tasks)
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

CREATE FUNCTION vibe._last_number(project_id bigint, campaign_id bigint)
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

-- Tables written: tasks, work. Two keys that are sent at once: the second insert waits for the first, and finds it.
CREATE FUNCTION vibe._insert_task(task vibe.tasks, at timestamptz)
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

CREATE FUNCTION vibe._task_of_key(project_id bigint, idempotency_key text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (SELECT t.id FROM vibe.tasks t
             WHERE t.project_id = _task_of_key.project_id AND t.idempotency_key = _task_of_key.idempotency_key);
END
$$;
COMMENT ON FUNCTION vibe._task_of_key(bigint, text) IS 'The task that was created with a key; NULL where there is none.';

-- Tables written: tasks, work, task_assignees, activities. Locks, in order: the task of the calling run, the campaign
-- row, or without a campaign the project row.
CREATE FUNCTION vibe.create_task(
    project_id bigint, title text, campaign_id bigint DEFAULT NULL, pipeline_slug text DEFAULT NULL,
    priority text DEFAULT 'medium', description text DEFAULT NULL, keyword text DEFAULT NULL,
    deliverables jsonb DEFAULT NULL, assignees text[] DEFAULT '{}', idempotency_key text DEFAULT NULL,
    run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL
)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    creator bigint := vibe._check_creator(create_task.project_id, create_task.run_id, create_task.lock_token);
    existing bigint := vibe._task_of_key(create_task.project_id, create_task.idempotency_key);
    campaign vibe.campaigns;
    task vibe.tasks;
BEGIN
    IF existing IS NULL THEN
        task.project_id := create_task.project_id;
        task.title := create_task.title;
        task.priority := create_task.priority;
        task.description := create_task.description;
        task.keyword := create_task.keyword;
        task.deliverables := create_task.deliverables;
        task.idempotency_key := create_task.idempotency_key;
        PERFORM vibe._check_task(task);
        PERFORM vibe._check_agents(create_task.assignees);
        task.pipeline_version_id := vibe._version_for_task(create_task.campaign_id, create_task.pipeline_slug);
        campaign := vibe._lock_for_task(create_task.project_id, create_task.campaign_id);
        task.campaign_id := campaign.id;
        task := vibe._insert_task(task, at);
        existing := coalesce(task.id, vibe._task_of_key(create_task.project_id, create_task.idempotency_key));
    END IF;
    IF task.id IS NOT NULL THEN
        INSERT INTO vibe.task_assignees (task_id, agent_name, assigned_at)
        SELECT DISTINCT task.id, a, at FROM unnest(create_task.assignees) a;
        PERFORM vibe._record('task_created', format('Task "%s" was created.', left(task.title, 200)),
            jsonb_strip_nulls(jsonb_build_object('run_id', creator)), task.project_id, task.campaign_id, task.id);
        IF campaign.status IS DISTINCT FROM 'planning' THEN
            PERFORM vibe._note_home();
            PERFORM vibe._wake(true);
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[existing]);
END
$$;
COMMENT ON FUNCTION vibe.create_task(bigint, text, bigint, text, text, text, text, jsonb, text[], text, bigint, text) IS 'Creates one task and makes its first step ready at once; in a campaign that is being planned, with its activation. With campaign_id it goes through the campaign''s pipeline version, without one through the current version of pipeline_slug. The same idempotency_key in the same project returns the task that is there, whatever the other arguments. An agent gives run_id and lock_token of its open run and stays in that run''s project; an operator gives none. Locks the run''s task row, the campaign row, without a campaign the project row. Raises VB001, VB002, VB004 (assignees), VB005 (pipeline), VB006, VB011 (run, token), VB021 (campaign ended), VB022, VB023 (project archived), VB030, VB034 (more than 1000000), VB060 (an agent without a token, or in another project).';

CREATE FUNCTION vibe._version_for_task(campaign_id bigint, pipeline_slug text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF _version_for_task.campaign_id IS NULL AND pipeline_slug IS NULL THEN
        PERFORM vibe._invalid_argument('pipeline_slug', NULL, 'Name the campaign that the task is of, or a pipeline for a task of its own.');
    ELSIF _version_for_task.campaign_id IS NULL THEN
        RETURN (vibe._pipeline_for_campaign(NULL, pipeline_slug)).id;
    ELSIF pipeline_slug IS NOT NULL THEN
        PERFORM vibe._invalid_argument('pipeline_slug', pipeline_slug, 'A task of a campaign goes through the campaign''s pipeline; leave it out.');
    END IF;
    RETURN (SELECT c.pipeline_version_id FROM vibe.campaigns c WHERE c.id = _version_for_task.campaign_id);
END
$$;
COMMENT ON FUNCTION vibe._version_for_task(bigint, text) IS 'The pipeline version that a new task goes through; NULL for a campaign that is not there. Raises VB005, VB030.';
