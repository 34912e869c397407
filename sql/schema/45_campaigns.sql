-- Verbs about campaigns. A pause is one row: the claim reads it, work rows are never touched. Whatever changes
-- many tasks takes their locks in the order of 30_transitions.sql.

-- One statement for all verbs that write a campaign, so that the same value is refused everywhere.
CREATE FUNCTION vibe._check_campaign(campaign vibe.campaigns)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF campaign.slug IS NULL OR campaign.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', campaign.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(campaign.name, '')) = '' OR length(campaign.name) > 1900 THEN
        PERFORM vibe._invalid_argument('name', campaign.name, 'Give the campaign a name of 1 to 1900 characters.');
    ELSIF (campaign.target_article_count BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('target_article_count', campaign.target_article_count::text, 'Use 1 to 1000000.');
    ELSIF (campaign.max_revisions BETWEEN 0 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_revisions', campaign.max_revisions::text, 'Use 0 to 1000.');
    ELSIF campaign.max_parallel NOT BETWEEN 1 AND 10000 THEN
        PERFORM vibe._invalid_argument('max_parallel', campaign.max_parallel::text, 'Use 1 to 10000, or NULL for no limit.');
    ELSIF campaign.backlog_threshold NOT BETWEEN 0 AND 1000000 THEN
        PERFORM vibe._invalid_argument('backlog_threshold', campaign.backlog_threshold::text, 'Use 0 to 1000000, or NULL for none.');
    ELSIF NOT (campaign.budget_usd > 0 AND campaign.budget_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('budget_usd', campaign.budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF NOT (campaign.task_budget_usd > 0 AND campaign.task_budget_usd < 1e12) THEN
        PERFORM vibe._invalid_argument('task_budget_usd', campaign.task_budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF NOT (campaign.run_budget_usd > 0 AND campaign.run_budget_usd < 1e12) THEN
        PERFORM vibe._invalid_argument('run_budget_usd', campaign.run_budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF EXISTS (SELECT 1 FROM unnest(campaign.seed_keywords) k WHERE btrim(coalesce(k, '')) = '' OR length(k) > 2000) THEN
        PERFORM vibe._invalid_argument('seed_keywords', 'a keyword that is NULL, blank or longer than 2000 characters',
            'Leave such keywords out.');
    END IF;
    PERFORM vibe._check_deliverables(campaign.deliverables);
    PERFORM vibe._check_agents(array_remove(ARRAY[campaign.backlog_agent], NULL));
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_campaign(vibe.campaigns) IS 'Raises VB004 (backlog_agent) or VB030 for a campaign that cannot be stored.';

CREATE FUNCTION vibe.create_campaign(
    project_id bigint, slug text, name text, pipeline_id bigint DEFAULT NULL, pipeline_slug text DEFAULT NULL,
    target_article_count integer DEFAULT 5, description text DEFAULT NULL, seed_keywords text[] DEFAULT '{}',
    competitor_urls text[] DEFAULT '{}', focus_group_ids text[] DEFAULT '{}', deliverables jsonb DEFAULT NULL,
    budget_usd numeric DEFAULT NULL, notes text DEFAULT NULL, max_revisions integer DEFAULT 3,
    max_parallel integer DEFAULT NULL, backlog_threshold integer DEFAULT NULL, backlog_agent text DEFAULT NULL
)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    version vibe.pipeline_versions;
    given vibe.campaigns;
BEGIN
    given.slug := create_campaign.slug;
    given.name := create_campaign.name;
    given.description := create_campaign.description;
    given.target_article_count := create_campaign.target_article_count;
    given.seed_keywords := coalesce(create_campaign.seed_keywords, '{}');
    given.competitor_urls := coalesce(create_campaign.competitor_urls, '{}');
    given.focus_group_ids := coalesce(create_campaign.focus_group_ids, '{}');
    given.deliverables := create_campaign.deliverables;
    given.budget_usd := create_campaign.budget_usd;
    given.max_revisions := create_campaign.max_revisions;
    given.max_parallel := create_campaign.max_parallel;
    given.backlog_threshold := create_campaign.backlog_threshold;
    given.backlog_agent := create_campaign.backlog_agent;
    given.notes := create_campaign.notes;
    PERFORM vibe._check_campaign(given);
    version := vibe._pipeline_for_campaign(create_campaign.pipeline_id, create_campaign.pipeline_slug);
    given.project_id := (vibe._lock_project_in_use(create_campaign.project_id)).id;
    INSERT INTO vibe.campaigns AS c (project_id, slug, name, description, pipeline_version_id, target_article_count,
        seed_keywords, competitor_urls, focus_group_ids, deliverables, budget_usd, max_revisions, max_parallel,
        backlog_threshold, backlog_agent, notes, created_at, updated_at)
    VALUES (given.project_id, given.slug, given.name, given.description, version.id, given.target_article_count,
        given.seed_keywords, given.competitor_urls, given.focus_group_ids, given.deliverables, given.budget_usd,
        given.max_revisions, given.max_parallel, given.backlog_threshold, given.backlog_agent, given.notes, at, at)
    ON CONFLICT ON CONSTRAINT campaigns_slug_key DO NOTHING
    RETURNING c.id INTO given.id;
    IF given.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a campaign with this slug exists already',
            DETAIL = format('The slug is "%s".', given.slug),
            HINT = format('SELECT * FROM vibe.get_campaign_by_slug(%L) shows it; choose another slug for a new one.', given.slug);
    END IF;
    RETURN QUERY SELECT * FROM vibe._campaign_infos(ARRAY[given.id]);
END
$$;
COMMENT ON FUNCTION vibe.create_campaign(bigint, text, text, bigint, text, integer, text, text[], text[], text[], jsonb, numeric, text, integer, integer, integer, text) IS 'Creates a campaign in status planning with the current version of a pipeline, named by id or by slug, which it keeps for good. deliverables NULL wants all that the pipeline offers; max_parallel is the number of its runs at once, NULL for no limit; fewer open tasks than backlog_threshold are a low backlog, which backlog_agent is to fill. Locks the project row. Raises VB001 (project), VB004 (backlog_agent), VB005 (pipeline), VB022, VB023 (project archived), VB030 (invalid argument), VB032 (slug taken).';

CREATE FUNCTION vibe._pipeline_for_campaign(pipeline_id bigint, pipeline_slug text)
    RETURNS vibe.pipeline_versions
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version vibe.pipeline_versions;
BEGIN
    IF num_nonnulls(pipeline_id, pipeline_slug) <> 1 THEN
        PERFORM vibe._invalid_argument('pipeline_slug', pipeline_slug, 'Name the pipeline by pipeline_id or by pipeline_slug, one of the two.');
    END IF;
    SELECT v.* INTO version
      FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id
     WHERE (p.id = _pipeline_for_campaign.pipeline_id OR p.slug = _pipeline_for_campaign.pipeline_slug) AND p.archived_at IS NULL
     ORDER BY v.number DESC LIMIT 1
       FOR KEY SHARE OF p;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB005',
            MESSAGE = 'pipeline not found',
            DETAIL = format('There is no pipeline %s.', coalesce(quote_literal(left(pipeline_slug, 200)), 'with id ' || pipeline_id)),
            HINT = 'SELECT * FROM vibe.list_pipelines() lists them.';
    END IF;
    RETURN version;
END
$$;
COMMENT ON FUNCTION vibe._pipeline_for_campaign(bigint, text) IS 'The current version of the pipeline with that id or slug, the pipeline locked FOR KEY SHARE against delete_pipeline(). Raises VB005 (also an archived one), VB030.';

CREATE FUNCTION vibe._campaign_full(campaign_id bigint, has integer, more integer)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB034',
        MESSAGE = 'a campaign holds at most 1000000 tasks',
        DETAIL = format('Campaign %s has %s tasks; %s more were asked for.', campaign_id, has, more),
        HINT = 'Create another campaign for the rest.';
END
$$;
COMMENT ON FUNCTION vibe._campaign_full(bigint, integer, integer) IS 'Raises VB034.';

-- Slugs become file names, so no two tasks of a campaign may share one: a keyword that reads like an earlier one, in
-- this batch or before it, or like the slug of a task without a keyword, gets "--" and its number. _slug() itself never
-- yields two hyphens in a row. Of the keywords before this batch there are tasks that have their slugs, so
-- that only its own are turned into slugs, which is what costs: a batch of a long list costs what its size costs. Each
-- list is gone through once, whatever the planner believes about a campaign that it has no statistics of yet: a
-- nested loop would go through all tasks for every keyword.
CREATE FUNCTION vibe._keyword_tasks(campaign vibe.campaigns, last_number integer, last_keyword integer, how_many integer)
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

-- Tables written: tasks, work. One statement whatever the number: the entry point is the same for all. It reads no
-- row for each that it writes, and nothing that it writes has a trigger.
CREATE FUNCTION vibe._create_tasks(campaign vibe.campaigns, how_many integer, at timestamptz)
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

-- Tables written: tasks, work, campaigns. Locks: the campaign row, by the caller: what is left to create is counted down
-- under it, so that no task is created twice.
CREATE FUNCTION vibe._create_batch(campaign vibe.campaigns, at timestamptz)
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

CREATE FUNCTION vibe._record_generated(campaign vibe.campaigns, created bigint, left_over bigint)
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

-- Tables written: campaigns, tasks, work, activities. Locks, in order: the campaign row (its tasks do not exist
-- yet, so nobody can hold one of them and wait for the campaign).
CREATE FUNCTION vibe.activate_campaign(id bigint, batch_size integer DEFAULT NULL)
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

CREATE FUNCTION vibe.generate_tasks(campaign_id bigint, how_many integer)
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

CREATE FUNCTION vibe._campaign_not_active(campaign vibe.campaigns)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB021',
        MESSAGE = format('campaign %s is not active', campaign.id),
        DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
        HINT = CASE campaign.status
            WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(%s);', campaign.id)
            WHEN 'paused' THEN format('SELECT * FROM vibe.resume_campaign(%s);', campaign.id)
            WHEN 'completed' THEN format('SELECT * FROM vibe.reopen_campaign(%s), or extend_campaign() to add tasks.', campaign.id)
            ELSE 'A campaign that has ended takes no more work; create another one.' END;
END
$$;
COMMENT ON FUNCTION vibe._campaign_not_active(vibe.campaigns) IS 'Raises VB021 with the call that would help.';

-- Tables written: campaigns, activities; with stop_running also work and runs.
-- Locks, in order: with stop_running the tasks whose runs are stopped; the campaign row.
CREATE FUNCTION vibe.pause_campaign(id bigint, stop_running boolean DEFAULT false)
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

CREATE FUNCTION vibe.resume_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(resume_campaign.id);
BEGIN
    IF campaign.status NOT IN ('paused', 'active', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'resumed', CASE campaign.status
            WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(%s);', campaign.id)
            ELSE 'Create a new campaign.' END);
    END IF;
    IF campaign.status = 'paused' THEN
        UPDATE vibe.campaigns c SET status = c.paused_from, paused_from = NULL, updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._record('campaign_resumed', format('Campaign "%s" was resumed.', campaign.name),
            NULL, campaign.project_id, campaign.id);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status;
END
$$;
COMMENT ON FUNCTION vibe.resume_campaign(bigint) IS 'paused → what it was before: all that waited for the pause goes on; a human gate stays closed. Locks the campaign row. Raises VB002, VB020, VB022.';

-- Where many tasks end at once, their campaign's row is what all would wait for. An open task that we can lock until
-- our commit makes that needless: whoever ends it comes after us, sees our task ended, and looks for the campaign's
-- end in our place. Tried and never waited for, from the highest id down: those are the last to be worked on.
CREATE FUNCTION vibe._leaves_the_end_to_another(campaign_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM vibe.tasks t WHERE t.campaign_id = _leaves_the_end_to_another.campaign_id AND t.ended_at IS NULL
      ORDER BY t.id DESC LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._leaves_the_end_to_another(bigint) IS 'Whether another task of the campaign is open and cannot end before this transaction does.';

-- Lock first, look in a statement of its own: the last two tasks of a campaign wait for each other here, and the
-- second one sees the first one finished. Scans from the highest id down: the lowest ids end first, and their
-- dead index entries are what an ascending scan would walk over.
CREATE FUNCTION vibe._finish_campaign(campaign_id bigint, at timestamptz)
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

CREATE FUNCTION vibe.check_campaign_completion(id bigint)
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

CREATE FUNCTION vibe.complete_campaign(id bigint)
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

-- Tables written: tasks, work, runs, campaigns, activities. Locks, in order: all open tasks of the campaign with
-- ids ascending, their work and runs, the campaign row. Tasks that were added between the two locks cannot be
-- locked then without breaking that order: everything is let go (the subtransaction ends) and tried again.
CREATE FUNCTION vibe.cancel_campaign(id bigint, reason text DEFAULT NULL)
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
