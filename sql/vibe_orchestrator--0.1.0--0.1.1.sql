\echo Use "ALTER EXTENSION vibe_orchestrator UPDATE" to load this file. \quit

-- A notification that a ceiling was reached says the call that raises it.
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
         WHERE f.i > last_keyword AND f.i <= last_keyword + how_many
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
    with_keyword := least(how_many, greatest(cardinality(campaign.seed_keywords) - last_keyword, 0));
    IF last_number + how_many > 1000000 THEN
        PERFORM vibe._campaign_full(campaign.id, last_number, how_many);
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
COMMENT ON FUNCTION vibe._create_tasks(vibe.campaigns, integer, timestamptz) IS 'Creates tasks of a campaign and makes their first step ready, in one statement. Raises VB034.';

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
