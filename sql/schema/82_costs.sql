-- What was used and what it cost: totals and what is not part of them yet, so that no run is read, and what was
-- pruned is still in the sums. A run counts when it has ended.

CREATE VIEW vibe.usage AS
    SELECT t.campaign_id, t.project_id, t.agent_name, t.provider, t.model, t.branch, t.step, t.day, t.runs, t.unknown_cost_runs,
           t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens, t.cost_usd, t.counted_usd
      FROM vibe.usage_totals t
     UNION ALL
    SELECT e.campaign_id, e.project_id, e.agent_name, e.provider, e.model, e.branch, e.step, e.day, 1, e.unknown_cost_runs,
           e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens, e.cost_usd, e.counted_usd
      FROM vibe.usage_entries e;
COMMENT ON VIEW vibe.usage IS 'What ended runs used, to be summed up: several rows may have the same campaign, agent, model, step and day.';

CREATE VIEW vibe.cost_by_campaign AS
    SELECT u.campaign_id, c.name AS campaign, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
      LEFT JOIN vibe.campaigns c ON c.id = u.campaign_id
     GROUP BY u.campaign_id, c.name
     ORDER BY u.campaign_id;
COMMENT ON VIEW vibe.cost_by_campaign IS 'Runs, tokens and known cost in US dollars by campaign (id 0: tasks without one); unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_agent AS
    SELECT u.agent_name, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.agent_name
     ORDER BY u.agent_name;
COMMENT ON VIEW vibe.cost_by_agent IS 'Runs, tokens and known cost in US dollars by agent; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_model AS
    SELECT u.provider, u.model, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.provider, u.model
     ORDER BY u.provider, u.model;
COMMENT ON VIEW vibe.cost_by_model IS 'Runs, tokens and known cost in US dollars by provider and model, empty where unknown; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_step AS
    SELECT u.campaign_id, u.branch, u.step, s.label, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
      LEFT JOIN vibe.campaigns c ON c.id = u.campaign_id
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id AND s.branch = u.branch AND s.step = u.step
     GROUP BY u.campaign_id, u.branch, u.step, s.label
     ORDER BY u.campaign_id, u.branch, u.step;
COMMENT ON VIEW vibe.cost_by_step IS 'Runs, tokens and known cost in US dollars by campaign and step; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_day AS
    SELECT u.day, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.day
     ORDER BY u.day;
COMMENT ON VIEW vibe.cost_by_day IS 'Runs, tokens and known cost in US dollars by day of the claim, UTC; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';
