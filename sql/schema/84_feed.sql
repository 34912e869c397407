-- The feed: what verbs recorded, and what runs tell by themselves. The three sources are numbered by one sequence,
-- so that a place in the feed is one number, unique and for good.

-- Members without join or condition, so that a scope and an order reach the index of each. An open run's end has no
-- id yet; whoever reads names a range of ids, which leaves it out.
CREATE VIEW vibe._feed AS
    SELECT a.id, a.at, a.kind, a.actor, a.project_id, a.campaign_id, a.task_id, NULL::text AS agent_name,
           NULL::bigint AS run_id, a.message, a.detail
      FROM vibe.activities a
    UNION ALL
    SELECT r.claim_event, r.claimed_at, 'run_started', r.agent_name, NULL::bigint, r.campaign_id, r.task_id, r.agent_name,
           r.id, NULL::text, NULL::jsonb
      FROM vibe.runs r
    UNION ALL
    SELECT r.close_event, r.closed_at, 'run_ended', r.agent_name, NULL::bigint, r.campaign_id, r.task_id, r.agent_name,
           r.id, NULL::text, NULL::jsonb
      FROM vibe.runs r;
COMMENT ON VIEW vibe._feed IS 'Activities, and the beginnings and ends of runs, in one order (id); list_activities() reads it by page. id is NULL for the end of a run that goes on, campaign_id 0 for runs of a task without campaign.';

-- Each of the following is one page of one scope, a range of an index of every member: above and below bound the
-- ids, the newest or the oldest of them come first. As in _task_page(), the planner is kept to the range; runs have
-- no index by event alone that it could walk instead.
CREATE FUNCTION vibe._feed_of_task(task_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.task_id = _feed_of_task.task_id AND (_feed_of_task.agent_name IS NULL OR f.agent_name = _feed_of_task.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.task_id = _feed_of_task.task_id AND (_feed_of_task.agent_name IS NULL OR f.agent_name = _feed_of_task.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_task(bigint, text, bigint, bigint, integer, boolean) IS 'A page of the feed of one task, also of one agent in it.';

CREATE FUNCTION vibe._feed_of_campaign(campaign_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.campaign_id = _feed_of_campaign.campaign_id AND f.run_id IS NOT NULL
              AND (_feed_of_campaign.agent_name IS NULL OR f.agent_name = _feed_of_campaign.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.campaign_id = _feed_of_campaign.campaign_id AND f.run_id IS NOT NULL
              AND (_feed_of_campaign.agent_name IS NULL OR f.agent_name = _feed_of_campaign.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_campaign(bigint, text, bigint, bigint, integer, boolean) IS 'A page of the beginnings and ends of a campaign''s runs, also of one agent in it.';

CREATE FUNCTION vibe._feed_of_campaign_activities(campaign_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended') AND f.campaign_id >= _feed_of_campaign_activities.campaign_id
              AND (f.campaign_id, f.id) < (_feed_of_campaign_activities.campaign_id, below)
              AND f.id > above ORDER BY f.campaign_id DESC, f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended') AND f.campaign_id <= _feed_of_campaign_activities.campaign_id
              AND (f.campaign_id, f.id) > (_feed_of_campaign_activities.campaign_id, above)
              AND f.id < below ORDER BY f.campaign_id, f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_campaign_activities(bigint, bigint, bigint, integer, boolean) IS 'A page of what verbs recorded about a campaign.';

CREATE FUNCTION vibe._feed_of_agent(agent_name text, project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.agent_name = _feed_of_agent.agent_name
              AND (_feed_of_agent.project_id IS NULL
                OR (SELECT t.project_id FROM vibe.tasks t WHERE t.id = f.task_id) = _feed_of_agent.project_id)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.agent_name = _feed_of_agent.agent_name
              AND (_feed_of_agent.project_id IS NULL
                OR (SELECT t.project_id FROM vibe.tasks t WHERE t.id = f.task_id) = _feed_of_agent.project_id)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_agent(text, bigint, bigint, bigint, integer, boolean) IS 'A page of the beginnings and ends of one agent''s runs, also in one project.';

CREATE FUNCTION vibe._feed_of_single_tasks(project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f JOIN vibe.tasks t ON t.id = f.task_id
            WHERE f.campaign_id = 0 AND f.run_id IS NOT NULL AND t.project_id = _feed_of_single_tasks.project_id
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f JOIN vibe.tasks t ON t.id = f.task_id
            WHERE f.campaign_id = 0 AND f.run_id IS NOT NULL AND t.project_id = _feed_of_single_tasks.project_id
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_single_tasks(bigint, bigint, bigint, integer, boolean) IS 'A page of the runs for a project''s tasks without campaign.';

CREATE FUNCTION vibe._feed_of_activities(project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE (f.project_id, f.id) < (_feed_of_activities.project_id, below) AND f.project_id >= _feed_of_activities.project_id
              AND f.id > above ORDER BY f.project_id DESC, f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE (f.project_id, f.id) > (_feed_of_activities.project_id, above) AND f.project_id <= _feed_of_activities.project_id
              AND f.id < below ORDER BY f.project_id, f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_activities(bigint, bigint, bigint, integer, boolean) IS 'A page of what verbs recorded about a project.';

CREATE FUNCTION vibe._feed_of_all_activities(above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended')
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended')
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_all_activities(bigint, bigint, integer, boolean) IS 'A page of what verbs recorded.';

-- A project's feed is merged from those of its campaigns, the whole feed from those of the agents: there are few of
-- either, and each gives one page at most.
CREATE FUNCTION vibe._feed_page(
    project_id bigint, campaign_id bigint, task_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean
)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF _feed_page.task_id IS NOT NULL THEN
        RETURN QUERY SELECT * FROM vibe._feed_of_task(_feed_page.task_id, _feed_page.agent_name, above, below, max_rows, newest_first);
    ELSIF _feed_page.campaign_id IS NOT NULL THEN
        RETURN QUERY
            SELECT * FROM vibe._feed_of_campaign(_feed_page.campaign_id, _feed_page.agent_name, above, below, max_rows, newest_first)
            UNION ALL
            SELECT * FROM vibe._feed_of_campaign_activities(_feed_page.campaign_id, above, below, max_rows, newest_first)
             WHERE _feed_page.agent_name IS NULL;
    ELSIF _feed_page.agent_name IS NOT NULL THEN
        RETURN QUERY SELECT * FROM vibe._feed_of_agent(_feed_page.agent_name, _feed_page.project_id, above, below, max_rows, newest_first);
    ELSIF _feed_page.project_id IS NOT NULL THEN
        RETURN QUERY
            SELECT f.* FROM vibe.campaigns c
             CROSS JOIN LATERAL vibe._feed_of_campaign(c.id, NULL, above, below, max_rows, newest_first) f
             WHERE c.project_id = _feed_page.project_id
            UNION ALL
            SELECT * FROM vibe._feed_of_single_tasks(_feed_page.project_id, above, below, max_rows, newest_first)
            UNION ALL
            SELECT * FROM vibe._feed_of_activities(_feed_page.project_id, above, below, max_rows, newest_first);
    ELSE
        RETURN QUERY
            SELECT f.* FROM vibe.agents a
             CROSS JOIN LATERAL vibe._feed_of_agent(a.name, NULL, above, below, max_rows, newest_first) f
            UNION ALL
            SELECT * FROM vibe._feed_of_all_activities(above, below, max_rows, newest_first);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_page(bigint, bigint, bigint, text, bigint, bigint, integer, boolean) IS 'A page of the feed, or more, of the narrowest scope that is given.';

CREATE TYPE vibe.activity_info AS (
    id bigint, at timestamptz, kind text, actor text, project_id bigint, campaign_id bigint, task_id bigint,
    task_title text, agent_name text, run_id bigint, message text, detail jsonb);
COMMENT ON TYPE vibe.activity_info IS 'One event of the feed, as list_activities() returns it.';

-- The words for an event of a run.
CREATE FUNCTION vibe._run_event(kind text, run vibe.runs, task vibe.tasks, OUT message text, OUT detail jsonb)
    RETURNS record
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE WHEN kind = 'run_started'
               THEN format('%s began "%s" of task "%s".', run.agent_name, s.label, left(task.title, 200))
               ELSE format('%s ended "%s" of task "%s": %s%s.', run.agent_name, s.label, left(task.title, 200), o.description,
                           coalesce(' (' || left(run.error, 200) || ')', '')) END,
           jsonb_strip_nulls(jsonb_build_object('branch', run.branch, 'step', run.step, 'attempt', run.attempt)
               || CASE WHEN kind = 'run_started' THEN '{}' ELSE jsonb_build_object('outcome', run.outcome,
                      'quality_score', run.quality_score, 'cost_usd', run.cost_usd) END)
      FROM vibe.pipeline_steps s
      LEFT JOIN vibe.outcomes o ON o.outcome = run.outcome
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
END;
COMMENT ON FUNCTION vibe._run_event(text, vibe.runs, vibe.tasks) IS 'What the beginning or the end of a run says in the feed.';

CREATE FUNCTION vibe.list_activities(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, agent_name text DEFAULT NULL,
    after_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, before_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.activity_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    newest_first boolean := list_activities.after_id IS NULL;
BEGIN
    PERFORM vibe._check_page(list_activities.max_rows);
    -- Of a task or campaign that is not within the wider scope, there is nothing.
    IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.id = list_activities.task_id
                  AND (t.campaign_id IS DISTINCT FROM coalesce(list_activities.campaign_id, t.campaign_id)
                       OR t.project_id <> list_activities.project_id))
       OR EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_activities.campaign_id AND c.project_id <> list_activities.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT f.id, f.at, f.kind, f.actor, coalesce(f.project_id, t.project_id), nullif(f.campaign_id, 0), f.task_id,
               t.title, f.agent_name, f.run_id, coalesce(f.message, e.message), coalesce(f.detail, e.detail)
          FROM (SELECT p.* FROM vibe._feed_page(list_activities.project_id, list_activities.campaign_id, list_activities.task_id,
                    list_activities.agent_name, coalesce(list_activities.after_id, 0),
                    coalesce(list_activities.before_id, 9223372036854775807), list_activities.max_rows, newest_first) p
                 ORDER BY CASE WHEN newest_first THEN -p.id ELSE p.id END LIMIT list_activities.max_rows) f
          LEFT JOIN vibe.runs r ON r.id = f.run_id
          LEFT JOIN vibe.tasks t ON t.id = f.task_id
          LEFT JOIN LATERAL vibe._run_event(f.kind, r, t) e ON f.run_id IS NOT NULL
         ORDER BY f.id;
END
$$;
COMMENT ON FUNCTION vibe.list_activities(bigint, bigint, bigint, text, bigint, integer, bigint) IS 'The feed: what verbs recorded, and beginnings and ends of runs (kind run_started, run_ended), of a project, a campaign, a task, an agent (its runs), or all, in ascending order of id, which never changes. Without after_id: the newest max_rows (1 to 1000); before_id, the first id of a page, gives the page before it. With after_id, the last id that was seen: the next ones. An id is drawn before its commit, so a reader who must miss nothing asks again from a minute back. Raises VB030.';
