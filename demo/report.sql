-- What came of each task and what the agents did, at the end.
-- variable: campaign

SELECT t.id AS task,
       r.file,
       t.status,
       t.quality_score AS score,
       t.revision_count AS revisions,
       r.runs,
       r.seconds
  FROM vibe.tasks AS t
  CROSS JOIN LATERAL (
        SELECT count(*) AS runs,
               round(extract(epoch FROM sum(r.closed_at - r.started_at)), 1) AS seconds,
               (array_agg(s.output_dir || '/' || t.slug || '.md' ORDER BY r.id DESC)
                   FILTER (WHERE r.output_path IS NOT NULL))[1] AS file
          FROM vibe.runs AS r
          JOIN vibe.pipeline_steps AS s
            ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
         WHERE r.task_id = t.id) AS r
 WHERE t.campaign_id = :campaign
 ORDER BY t.id;

SELECT agent_name AS agent,
       count(*) AS runs,
       count(*) FILTER (WHERE outcome = 'revise') AS "sent back",
       count(*) FILTER (WHERE outcome NOT IN ('done', 'revise')) AS "ended otherwise",
       round(avg(extract(epoch FROM closed_at - started_at)), 2) AS "seconds each"
  FROM vibe.runs
 WHERE campaign_id = :campaign
 GROUP BY agent_name
 ORDER BY min(id);
