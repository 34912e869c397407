BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00Z') \g /dev/null
SELECT t.campaign(t.pipeline(2, '{}', '{"2": {"model": "large"}}')) AS c \gset
SELECT t.finish(run, 'done', '{"usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_tokens": 2, "cache_write_tokens": 3, "cost_usd": 0.5}}') FROM t.claim(1) run \g /dev/null
SELECT vibe._merge_usage(9) \g /dev/null
SELECT t.now('2030-01-02 12:00Z') \g /dev/null
SELECT t.finish(run, 'failed', '{"usage": {"input_tokens": 20, "cost_usd": 0.25}}') FROM t.claim(1) run \g /dev/null
SELECT vibe.retry_step(t.task(:c)) \g /dev/null
SELECT t.finish(run) FROM t.claim(1) run \g /dev/null
SELECT results_eq('SELECT campaign_id, campaign, runs::int, unknown_cost_runs::int, input_tokens::int, output_tokens::int, cache_read_tokens::int, cache_write_tokens::int, cost_usd FROM vibe.cost_by_campaign',
    format($$VALUES (%s::bigint, 'Test', 3, 1, 30, 1, 2, 3, 0.75)$$, :c), 'campaign');
SELECT results_eq('SELECT agent_name, runs::int, cost_usd FROM vibe.cost_by_agent', $$VALUES ('agent-1', 1, 0.5), ('agent-2', 2, 0.25)$$, 'agent');
SELECT results_eq('SELECT model, runs::int, unknown_cost_runs::int, cost_usd FROM vibe.cost_by_model', $$VALUES ('large', 2, 1, 0.25), ('small', 1, 0, 0.5)$$, 'model');
SELECT results_eq('SELECT step, label, input_tokens::int, cost_usd FROM vibe.cost_by_step', $$VALUES (1, 'Step 1', 10, 0.5), (2, 'Step 2', 20, 0.25)$$, 'step');
SELECT results_eq('SELECT day, runs::int, cost_usd FROM vibe.cost_by_day', $$VALUES ('2030-01-01'::date, 1, 0.5), ('2030-01-02', 2, 0.25)$$, 'day');

SELECT * FROM finish();
ROLLBACK;
