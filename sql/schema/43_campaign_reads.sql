-- Campaigns as a dashboard lists them. Pages are keyset pages: the last id of one page is after_id of the next.

CREATE TYPE vibe.campaign_info AS (
    id bigint, project_id bigint, project_slug text, slug text, name text, description text, status text,
    pipeline_id bigint, pipeline_slug text, pipeline_version integer, target_article_count integer,
    task_count bigint, completed_task_count bigint, cancelled_task_count bigint, blocked_task_count bigint,
    seed_keywords text[], competitor_urls text[], focus_group_ids text[], deliverables jsonb, budget_usd numeric,
    task_budget_usd numeric, run_budget_usd numeric,
    max_revisions integer, max_parallel integer, backlog_threshold integer, backlog_agent text, notes text,
    created_at timestamptz, updated_at timestamptz, activated_at timestamptz, reopened_at timestamptz, ended_at timestamptz,
    tasks_to_create integer);
COMMENT ON TYPE vibe.campaign_info IS 'A campaign with its settings and the number of its tasks, as functions return it; tasks_to_create are not among those yet (NULL: none).';

CREATE FUNCTION vibe._campaign_infos(ids bigint[])
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

CREATE FUNCTION vibe.get_campaign(id bigint)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY[get_campaign.id]);
END;
COMMENT ON FUNCTION vibe.get_campaign(bigint) IS 'One campaign, or no row.';

CREATE FUNCTION vibe.get_campaign_by_slug(slug text)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.slug = get_campaign_by_slug.slug));
END;
COMMENT ON FUNCTION vibe.get_campaign_by_slug(text) IS 'One campaign, or no row.';

-- One query for each index that a page can be a range of.
CREATE FUNCTION vibe._campaign_page(project_id bigint, status text, max_rows integer, after_id bigint)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    below bigint := coalesce(after_id, 9223372036854775807);
BEGIN
    IF _campaign_page.project_id IS NULL AND _campaign_page.status IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.id < below ORDER BY c.id DESC LIMIT max_rows);
    ELSIF _campaign_page.project_id IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
            WHERE c.status = _campaign_page.status AND c.id < below ORDER BY c.id DESC LIMIT max_rows);
    ELSIF _campaign_page.status IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
            WHERE c.project_id = _campaign_page.project_id AND c.id < below ORDER BY c.id DESC LIMIT max_rows);
    END IF;
    RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
        WHERE c.project_id = _campaign_page.project_id AND c.status = _campaign_page.status AND c.id < below
        ORDER BY c.id DESC LIMIT max_rows);
END
$$;
COMMENT ON FUNCTION vibe._campaign_page(bigint, text, integer, bigint) IS 'The ids of one page of campaigns, newest first.';

CREATE FUNCTION vibe.list_campaigns(
    project_id bigint DEFAULT NULL, status text DEFAULT NULL, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._check_page(max_rows);
    IF status NOT IN ('planning', 'active', 'paused', 'in_revision', 'completed', 'cancelled') THEN
        PERFORM vibe._invalid_argument('status', status, 'Use planning, active, paused, in_revision, completed or cancelled.');
    END IF;
    RETURN QUERY SELECT * FROM vibe._campaign_infos(vibe._campaign_page(project_id, status, max_rows, after_id));
END
$$;
COMMENT ON FUNCTION vibe.list_campaigns(bigint, text, integer, bigint) IS 'Campaigns, newest first: of one project, in one status, or all. max_rows is 1 to 1000; the last id of a page is after_id of the next. Raises VB030.';

CREATE FUNCTION vibe.list_active_campaigns()
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.status IN ('active', 'in_revision')));
END;
COMMENT ON FUNCTION vibe.list_active_campaigns() IS 'Campaigns that are at work (active or in_revision), newest first.';
