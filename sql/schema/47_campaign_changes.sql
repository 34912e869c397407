-- Verbs that change what a campaign is, and open it again.

CREATE FUNCTION vibe.update_campaign(id bigint, changes jsonb)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
BEGIN
    PERFORM vibe._check_fields('changes', update_campaign.changes, ARRAY['name', 'description', 'target_article_count',
        'seed_keywords', 'competitor_urls', 'focus_group_ids', 'deliverables', 'budget_usd', 'task_budget_usd',
        'run_budget_usd', 'notes', 'max_revisions', 'max_parallel', 'backlog_threshold', 'backlog_agent']);
    campaign := vibe._changed_campaign(vibe._lock_campaign(update_campaign.id), update_campaign.changes);
    PERFORM vibe._check_campaign(campaign);
    UPDATE vibe.campaigns c
       SET name = campaign.name, description = campaign.description, target_article_count = campaign.target_article_count,
           seed_keywords = campaign.seed_keywords, competitor_urls = campaign.competitor_urls,
           focus_group_ids = campaign.focus_group_ids, deliverables = campaign.deliverables,
           budget_usd = campaign.budget_usd, task_budget_usd = campaign.task_budget_usd,
           run_budget_usd = campaign.run_budget_usd, notes = campaign.notes, max_revisions = campaign.max_revisions,
           max_parallel = campaign.max_parallel, backlog_threshold = campaign.backlog_threshold,
           backlog_agent = campaign.backlog_agent, updated_at = at
     WHERE c.id = campaign.id;
    IF update_campaign.changes ?| ARRAY['budget_usd', 'task_budget_usd', 'run_budget_usd'] THEN
        PERFORM vibe._forget_crossings(campaign.id);
    END IF;
    PERFORM vibe._record('campaign_updated', format('Campaign "%s" was changed.', campaign.name), update_campaign.changes,
        campaign.project_id, campaign.id);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT * FROM vibe._campaign_infos(ARRAY[campaign.id]);
END
$$;
COMMENT ON FUNCTION vibe.update_campaign(bigint, jsonb) IS 'Changes the fields of a campaign that changes names: name, description, target_article_count (only while planning), seed_keywords (tasks that are there keep theirs; extend_campaign() goes on behind the last one used), competitor_urls, focus_group_ids, deliverables (for branches that have not begun), budget_usd, task_budget_usd and run_budget_usd (as set_budget() does), notes, max_revisions, max_parallel, backlog_threshold, backlog_agent. null clears a field. Locks the campaign row. Raises VB002, VB004 (backlog_agent), VB020 (target_article_count after planning), VB022, VB030 (another field, invalid value).';

CREATE FUNCTION vibe._changed_campaign(campaign vibe.campaigns, changes jsonb)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF changes ? 'target_article_count' AND campaign.status <> 'planning' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'target_article_count can be changed only while planning',
            DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
            HINT = format('SELECT * FROM vibe.extend_campaign(%s, how_many) adds tasks.', campaign.id);
    END IF;
    campaign.name := vibe._text_field(changes, 'name', campaign.name);
    campaign.description := vibe._text_field(changes, 'description', campaign.description);
    campaign.target_article_count := vibe._integer_field(changes, 'target_article_count', campaign.target_article_count);
    campaign.seed_keywords := vibe._texts_field(changes, 'seed_keywords', campaign.seed_keywords);
    campaign.competitor_urls := vibe._texts_field(changes, 'competitor_urls', campaign.competitor_urls);
    campaign.focus_group_ids := vibe._texts_field(changes, 'focus_group_ids', campaign.focus_group_ids);
    IF changes ? 'deliverables' THEN
        campaign.deliverables := nullif(changes -> 'deliverables', 'null');
    END IF;
    campaign.budget_usd := vibe._number_field(changes, 'budget_usd', campaign.budget_usd);
    campaign.task_budget_usd := vibe._number_field(changes, 'task_budget_usd', campaign.task_budget_usd);
    campaign.run_budget_usd := vibe._number_field(changes, 'run_budget_usd', campaign.run_budget_usd);
    campaign.notes := vibe._text_field(changes, 'notes', campaign.notes);
    campaign.max_revisions := vibe._integer_field(changes, 'max_revisions', campaign.max_revisions);
    campaign.max_parallel := vibe._integer_field(changes, 'max_parallel', campaign.max_parallel);
    campaign.backlog_threshold := vibe._integer_field(changes, 'backlog_threshold', campaign.backlog_threshold);
    campaign.backlog_agent := vibe._text_field(changes, 'backlog_agent', campaign.backlog_agent);
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._changed_campaign(vibe.campaigns, jsonb) IS 'A campaign as it would be with these changes. Raises VB020, VB030.';

-- Tables written: campaigns, activities. Locks, in order: the campaign row (by the caller), the project row.
CREATE FUNCTION vibe._reopen(campaign vibe.campaigns, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._lock_project_in_use(campaign.project_id);
    -- Behind the end of its last task, also where that came while this call waited for the lock.
    UPDATE vibe.campaigns c
       SET status = 'in_revision', ended_at = NULL, updated_at = at,
           reopened_at = greatest(at, c.ended_at + interval '1 microsecond')
     WHERE c.id = campaign.id
    RETURNING c.* INTO campaign;
    PERFORM vibe._record('campaign_reopened', format('Campaign "%s" was opened again.', campaign.name),
        NULL, campaign.project_id, campaign.id);
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._reopen(vibe.campaigns, timestamptz) IS 'completed → in_revision. Raises VB023 (project archived).';

CREATE FUNCTION vibe.reopen_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(reopen_campaign.id);
BEGIN
    IF campaign.status NOT IN ('completed', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'reopened', CASE campaign.status
            WHEN 'cancelled' THEN 'A cancelled campaign stays so; create another one.'
            ELSE 'It is open: request_revision() and create_task() work at once.' END);
    END IF;
    IF campaign.status = 'completed' THEN
        campaign := vibe._reopen(campaign, at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status;
END
$$;
COMMENT ON FUNCTION vibe.reopen_campaign(bigint) IS 'completed → in_revision: its tasks can be sent back (request_revision) and new ones be added. It is completed by itself again when a task has ended since and none is open, or with complete_campaign(). One that is in_revision stays so. Locks the campaign row, then the project row. Raises VB002, VB020 (not completed), VB022, VB023 (project archived).';

CREATE FUNCTION vibe.extend_campaign(id bigint, how_many integer)
    RETURNS TABLE (campaign_id bigint, status text, tasks_created bigint)
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
    IF (extend_campaign.how_many BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('how_many', extend_campaign.how_many::text, 'Use 1 to 1000000.');
    END IF;
    campaign := vibe._lock_campaign(extend_campaign.id);
    IF campaign.status = 'completed' THEN
        campaign := vibe._reopen(campaign, at);
    END IF;
    SELECT g.tasks_created INTO STRICT created FROM vibe.generate_tasks(campaign.id, extend_campaign.how_many) g;
    RETURN QUERY SELECT campaign.id, campaign.status, created;
END
$$;
COMMENT ON FUNCTION vibe.extend_campaign(bigint, integer) IS 'Adds tasks with the next seed keywords and makes their first step ready; a completed campaign is in_revision from then on. Locks the campaign row, for a completed one also the project row. Raises VB002, VB021 (planning, cancelled), VB022, VB023 (project archived), VB030, VB034 (more than 1000000).';
