-- Tasks as a dashboard lists them. Pages are keyset pages: the last id of one page is after_id of the next.

CREATE TYPE vibe.task_info AS (
    id bigint, project_id bigint, campaign_id bigint, campaign_slug text, number integer, title text, slug text,
    keyword text, description text, status text, priority text, pipeline_slug text, pipeline_version integer,
    step integer, step_label text, agent_name text, state text, waiting_for text, ready_at timestamptz, run_id bigint,
    open_branch_count bigint, quality_score numeric, revision_count integer, rejection_notes text, deliverables jsonb,
    assignees text[], subscribers text[], idempotency_key text,
    created_at timestamptz, updated_at timestamptz, ended_at timestamptz);
COMMENT ON TYPE vibe.task_info IS 'A task, and where its main line stands: step, the agent that it is for, state (ready, held by run_id, waiting for waiting_for), as functions return it.';

CREATE FUNCTION vibe._task_infos(ids bigint[])
    RETURNS SETOF vibe.task_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.project_id, t.campaign_id, c.slug, t.number, t.title, t.slug,
           t.keyword, t.description, t.status, t.priority, p.slug, v.number,
           t.step, s.label, w.agent_name, w.state, w.waiting_for, w.ready_at, w.run_id,
           (SELECT count(*) FROM vibe.work b WHERE b.task_id = t.id AND b.branch <> ''),
           t.quality_score, t.revision_count, t.rejection_notes, t.deliverables,
           ARRAY(SELECT a.agent_name FROM vibe.task_assignees a WHERE a.task_id = t.id ORDER BY a.agent_name),
           ARRAY(SELECT u.name FROM vibe.task_subscribers u WHERE u.task_id = t.id ORDER BY u.name), t.idempotency_key,
           t.created_at, t.updated_at, t.ended_at
      FROM vibe.tasks t
      JOIN vibe.pipeline_versions v ON v.id = t.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
      LEFT JOIN vibe.campaigns c ON c.id = t.campaign_id
      LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = ''
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = '' AND s.step = t.step
     WHERE t.id = ANY (ids)
     ORDER BY t.id DESC;
END;
COMMENT ON FUNCTION vibe._task_infos(bigint[]) IS 'These tasks, newest first.';

CREATE FUNCTION vibe.get_task(id bigint)
    RETURNS SETOF vibe.task_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._task_infos(ARRAY[get_task.id]);
END;
COMMENT ON FUNCTION vibe.get_task(bigint) IS 'One task, or no row.';

-- One query for each index that a page can be ranges of. Statistics must not talk the planner out of those ranges: the
-- status is compared and not equal, so that the primary key, which leads past all that other campaigns have, is in no
-- right order; and it may not sort, which would read a whole campaign for a page. (Of rows that are compared, a scan
-- ends at the first column alone: a lower bound for campaign and status together would let it walk through the rest of
-- the campaign.) The price that the planner then sees for putting ranges together would be worth a compilation to it,
-- which takes a hundred times what the page does. Without a status, the page is put together from one of each status;
-- without a project, from each project. There are few of both, and an index more would be written for every task and
-- at every step.
CREATE FUNCTION vibe._task_page(project_id bigint, campaign_id bigint, status text, max_rows integer, after_id bigint)
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

CREATE FUNCTION vibe.list_tasks(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, status text DEFAULT NULL,
    max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._check_page(list_tasks.max_rows);
    IF list_tasks.status IS NOT NULL THEN
        PERFORM vibe._check_task_status('status', list_tasks.status);
    END IF;
    -- Of a campaign in another project nothing is listed, and nothing is looked through for it.
    IF EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_tasks.campaign_id AND c.project_id <> list_tasks.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(vibe._task_page(list_tasks.project_id, list_tasks.campaign_id,
        list_tasks.status, list_tasks.max_rows, list_tasks.after_id));
END
$$;
COMMENT ON FUNCTION vibe.list_tasks(bigint, bigint, text, integer, bigint) IS 'Tasks, newest first: of a project, of a campaign, in one status, or all. max_rows is 1 to 1000; the last id of a page is after_id of the next. Raises VB030.';

CREATE FUNCTION vibe.count_tasks_by_status(project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL)
    RETURNS TABLE (status text, is_final boolean, task_count bigint)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF count_tasks_by_status.campaign_id IS NOT NULL THEN
        RETURN QUERY
            SELECT s.status, s.is_final, (SELECT count(*) FROM vibe.tasks t
                WHERE t.campaign_id = count_tasks_by_status.campaign_id AND t.status = s.status
                  AND t.project_id = coalesce(count_tasks_by_status.project_id, t.project_id))
              FROM vibe.task_statuses s ORDER BY s.is_final, s.status;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT s.status, s.is_final, (SELECT coalesce(sum(n.n), 0)::bigint FROM vibe.projects p
            CROSS JOIN LATERAL (SELECT count(*) AS n FROM vibe.tasks t WHERE t.project_id = p.id AND t.status = s.status) n
            WHERE p.id = coalesce(count_tasks_by_status.project_id, p.id))
          FROM vibe.task_statuses s ORDER BY s.is_final, s.status;
END
$$;
COMMENT ON FUNCTION vibe.count_tasks_by_status(bigint, bigint) IS 'How many tasks of a project, of a campaign, or of all are in each status; one row per status, also where there is none.';

-- What is wanted of each task: its own list, else its campaign's, else all that its pipeline offers.
CREATE FUNCTION vibe.tasks_with_incomplete_deliverables(campaign_id bigint)
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

CREATE FUNCTION vibe._wanted_deliverables(wanted jsonb, version_id bigint)
    RETURNS TABLE (deliverable text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT DISTINCT s.deliverable FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = version_id AND s.deliverable IS NOT NULL AND wanted IS NULL
    UNION
    SELECT k.key FROM jsonb_object_keys(CASE WHEN jsonb_typeof(wanted) = 'object' THEN wanted ELSE '{}' END) k(key)
     WHERE vibe._wants(wanted, k.key)
    UNION
    SELECT e.value #>> '{}' FROM jsonb_array_elements(CASE WHEN jsonb_typeof(wanted) = 'array' THEN wanted ELSE '[]' END) e(value)
     WHERE jsonb_typeof(e.value) = 'string';
END;
COMMENT ON FUNCTION vibe._wanted_deliverables(jsonb, bigint) IS 'The names of wanted deliverables; where no list says, all that the pipeline offers.';
