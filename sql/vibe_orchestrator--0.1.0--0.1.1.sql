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
