-- What a campaign waits for, and how its runs ended.
-- variable: campaign

SELECT task_id, task, step, agent, waits_for, since FROM vibe.queue ORDER BY task_id;

SELECT outcome, left(error, 100) AS error, count(*)
  FROM vibe.runs
 WHERE campaign_id = :campaign AND outcome NOT IN ('done', 'revise')
 GROUP BY outcome, left(error, 100)
 ORDER BY count(*) DESC;

SELECT * FROM vibe.dispatcher_status();
