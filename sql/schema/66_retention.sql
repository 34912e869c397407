-- What the sweep does besides mending: it asks for topics where a campaign runs dry, deletes what is older than its
-- retention, and keeps a history of what health() said.

-- The probe of vibe.runs is a subquery with a LIMIT on purpose: it stays an index probe, however many runs there are.
CREATE FUNCTION vibe._low_backlogs(since timestamptz)
    RETURNS TABLE (campaign_id bigint, project_id bigint, name text, agent_name text, threshold integer, unbegun bigint,
                   to_tell boolean, to_ask boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.project_id, c.name, coalesce(c.backlog_agent, 'vibe-keyword-researcher'), c.backlog_threshold, u.n,
           (q.told_at > since) IS NOT TRUE, (q.asked_at > since) IS NOT TRUE
      FROM vibe.campaigns c
      LEFT JOIN vibe.topic_requests q ON q.campaign_id = c.id
     CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT 1 FROM vibe.tasks t
                 WHERE t.campaign_id = c.id AND t.ended_at IS NULL AND t.status = 'backlog'
                   AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = t.id LIMIT 1) IS NULL
                 ORDER BY t.campaign_id DESC, t.id DESC LIMIT c.backlog_threshold) open_task) u
     WHERE c.ended_at IS NULL AND c.status = 'active' AND c.backlog_threshold > 0 AND c.tasks_to_create IS NULL
       AND (q.told_at > since AND q.asked_at > since) IS NOT TRUE
       AND u.n < c.backlog_threshold
     ORDER BY c.id LIMIT 100;
END;
COMMENT ON FUNCTION vibe._low_backlogs(timestamptz) IS 'Active campaigns with fewer open tasks that nobody has begun than their threshold and none still to be created, and whether people are to be told and their agent to be asked: unless that was done after since.';

-- An agent that was deleted, or that has no room for another request, is asked again at the next sweep.
CREATE FUNCTION vibe._request_topics(agent_name text, note text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = agent_name)
        AND (SELECT r.requested FROM vibe.request_heartbeat(agent_name, note) r);
END
$$;
COMMENT ON FUNCTION vibe._request_topics(text, text) IS 'Asks an agent for a heartbeat with a note; false where that cannot be done now.';

-- Tables written: topic_requests, notifications, and what a heartbeat writes. A copy of the database asks nobody.
CREATE FUNCTION vibe._ask_for_topics(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    low record;
    sentence text;
    asked boolean;
    requests bigint := 0;
BEGIN
    FOR low IN SELECT * FROM vibe._low_backlogs(at - vibe._setting('backlog_interval')) LOOP
        EXIT WHEN NOT vibe._is_home();
        sentence := format('Campaign "%s" has %s tasks that nobody has begun, fewer than %s.', left(low.name, 200), low.unbegun, low.threshold);
        asked := low.to_ask AND vibe._request_topics(low.agent_name,
            format('%s Find topics for it: its id is %s.', sentence, low.campaign_id));
        IF low.to_tell THEN
            PERFORM vibe._notify('backlog_low', sentence, jsonb_build_object('agent_name', low.agent_name, 'unbegun', low.unbegun,
                    'backlog_threshold', low.threshold), low.project_id, low.campaign_id);
        END IF;
        CONTINUE WHEN NOT (asked OR low.to_tell);
        INSERT INTO vibe.topic_requests AS q (campaign_id, told_at, asked_at)
        VALUES (low.campaign_id, at, CASE WHEN asked THEN at END)
        ON CONFLICT ON CONSTRAINT topic_requests_pkey DO UPDATE
           SET told_at = CASE WHEN low.to_tell THEN at ELSE q.told_at END,
               asked_at = CASE WHEN asked THEN at ELSE q.asked_at END;
        requests := requests + asked::integer;
    END LOOP;
    RETURN requests;
END
$$;
COMMENT ON FUNCTION vibe._ask_for_topics(timestamptz) IS 'Tells people of low backlogs and asks the backlog agents for topics, each once in vibe_orchestrator.backlog_interval; returns how many were asked.';

-- Ids go up with time, so what is old stands at the lower end of the key and no index on the time is needed.
CREATE FUNCTION vibe._prune_activities(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.activities a
     WHERE older_than > interval '0'
       AND a.id = ANY (ARRAY(
            SELECT f.id FROM (SELECT o.id, o.at FROM vibe.activities o ORDER BY o.id LIMIT 10000) f
             WHERE f.at < _prune_activities.at - older_than));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_activities(interval, timestamptz) IS 'Deletes activities that are older, 10000 at most; zero keeps all.';

CREATE FUNCTION vibe._prune_runs(older_than interval)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN older_than > interval '0' THEN vibe._fold_and_prune_runs(older_than, 2000) ELSE 0 END;
END
$$;
COMMENT ON FUNCTION vibe._prune_runs(interval) IS 'Deletes runs that ended longer ago, of some thousand tasks that did too, and keeps their sums; zero keeps all.';

-- Tables written: health_history. Whatever is wrong with a check is no reason to leave the sweep undone.
CREATE FUNCTION vibe._note_health(at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.health_history h WHERE h.at > _note_health.at - interval '55 seconds' AND h.at <= _note_health.at) THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.health_history (at, ok, warn, fail, detail)
    SELECT _note_health.at, count(*) FILTER (WHERE c.status = 'ok'), count(*) FILTER (WHERE c.status = 'warn'), count(*) FILTER (WHERE c.status = 'fail'),
           coalesce(jsonb_object_agg(c.check_name, jsonb_build_object('status', c.status, 'value', c.value)) FILTER (WHERE c.status <> 'ok'), '{}')
      FROM vibe.health() c;
    DELETE FROM vibe.health_history h
     WHERE h.at IN (SELECT o.at FROM vibe.health_history o WHERE o.at < _note_health.at - interval '30 days' ORDER BY o.at LIMIT 1000);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING USING MESSAGE = format('health was not noted: %s', SQLERRM);
    RETURN false;
END
$$;
COMMENT ON FUNCTION vibe._note_health(timestamptz) IS 'Adds a row to vibe.health_history, unless there is one of the last minute, and deletes those older than 30 days.';
