-- What follows when a campaign is completed, as its pipeline says in on_complete.

CREATE FUNCTION vibe._campaign_summary(campaign_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object(
                   'articles', count(*) FILTER (WHERE t.status = 'completed'),
                   'cancelled', count(*) FILTER (WHERE t.status = 'cancelled'),
                   'average_score', round(avg(t.quality_score) FILTER (WHERE t.status = 'completed'), 1),
                   'revisions', coalesce(sum(t.revision_count), 0),
                   'cost_usd', (SELECT sum(r.cost_usd) FROM vibe.tasks x JOIN vibe.runs r ON r.task_id = x.id WHERE x.campaign_id = c.id),
                   'duration_s', round(extract(epoch FROM c.ended_at - c.activated_at)))
          FROM vibe.campaigns c
          LEFT JOIN vibe.tasks t ON t.campaign_id = c.id
         WHERE c.id = _campaign_summary.campaign_id
         GROUP BY c.id);
END
$$;
COMMENT ON FUNCTION vibe._campaign_summary(bigint) IS 'How a campaign went: articles, cancelled tasks, average score (0 to 100), revisions, cost in US dollars (NULL: unknown), and seconds from its activation to its end.';

CREATE FUNCTION vibe._summary_text(summary jsonb)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT concat_ws(', ',
        format('%s articles', summary ->> 'articles'),
        CASE WHEN summary -> 'cancelled' <> '0' THEN format('%s tasks cancelled', summary ->> 'cancelled') END,
        'average score ' || (summary ->> 'average_score'),
        format('%s revisions', summary ->> 'revisions'),
        round((summary ->> 'cost_usd')::numeric, 2) || ' USD',
        'in ' || to_char(make_interval(secs => (summary ->> 'duration_s')::double precision), 'HH24:MI:SS'));
END;
COMMENT ON FUNCTION vibe._summary_text(jsonb) IS 'A campaign''s summary as part of a sentence.';

-- Tables written: activities, notifications, deliveries. The campaign is locked by the caller; its totals are read in
-- a statement of their own, so that they hold the task that was last.
CREATE FUNCTION vibe._tell_campaign_completed(campaign vibe.campaigns, by_hand boolean)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted jsonb := (SELECT v.on_complete FROM vibe.pipeline_versions v WHERE v.id = campaign.pipeline_version_id);
    detail jsonb := jsonb_build_object();
    message text := format('Campaign "%s" was completed%s.', campaign.name, CASE WHEN by_hand THEN ' by hand' END);
BEGIN
    IF vibe._key(wanted, 'summary') = 'true' THEN
        detail := jsonb_build_object('summary', vibe._campaign_summary(campaign.id));
        message := format('%s %s.', message, vibe._summary_text(detail -> 'summary'));
    END IF;
    IF vibe._key(wanted, 'generate_manifest') = 'true' THEN
        detail := detail || jsonb_build_object('manifest', format('SELECT vibe.campaign_manifest(%s);', campaign.id));
    END IF;
    RETURN vibe._record('campaign_completed', message, detail, campaign.project_id, campaign.id,
        also_to => CASE WHEN vibe._key(wanted, 'telegram') = 'true' THEN 'telegram' END);
END
$$;
COMMENT ON FUNCTION vibe._tell_campaign_completed(vibe.campaigns, boolean) IS 'Tells that a campaign was completed, with what on_complete of its pipeline asks for: a summary, where its manifest is, the channel telegram.';
