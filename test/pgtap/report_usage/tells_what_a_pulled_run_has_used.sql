BEGIN;
SELECT plan(9);

SELECT t.now('2030-01-01 12:00Z') \g /dev/null
SELECT count(*) FROM vibe.set_price('small', 1, 10) \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT vibe.set_budget(:c, 5), vibe.set_budget(:c, 0.5, per => 'run') \g /dev/null
SELECT run_id AS run, lock_token AS token, task_id AS task FROM vibe.claim_runs('{agent-1}') \gset
SELECT is(row(trim_scale(cost_usd), budget_usd, over_budget)::text, '(0.2,0.5,f)', 'computed where only tokens are told') FROM vibe.report_usage(:run, :'token', '{"input_tokens": 100000, "output_tokens": 10000}');
SELECT is(row(trim_scale(cost_usd), over_budget)::text, '(0.4,f)', 'reported') FROM vibe.report_usage(:run, :'token', '{"input_tokens": 50000, "cost_usd": 0.4, "cache_read_tokens": -1}');
SELECT is(row(trim_scale(cost_usd), over_budget)::text, '(0.6,t)', 'over its budget') FROM vibe.report_usage(:run, :'token', '{"cost_usd": 0.6}');
SELECT is(trim_scale(cost_usd), 0.6, 'totals only grow') FROM vibe.report_usage(:run, :'token', '{"cost_usd": 0.1}');
SELECT vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT is((SELECT row(input_tokens, output_tokens, cache_read_tokens, trim_scale(cost_usd), cost_source)::text FROM vibe.runs WHERE id = :run), '(100000,10000,,0.6,reported)', 'kept when the step is done');
SELECT is((SELECT spent_usd FROM vibe._campaign_budget(:c)), 0.6, 'and counted');
SELECT throws_ok(format($$SELECT * FROM vibe.report_usage(%s, %L, '{}')$$, :run, :'token'), 'VB011', NULL, 'its token writes no more');
SELECT throws_ok(format($$SELECT * FROM vibe.report_usage(%s, %L, '[]')$$, :run, :'token'), 'VB030', NULL, 'not an object');
SELECT throws_ok($$SELECT * FROM vibe.report_usage(-1, 'x', '{}')$$, 'VB006', NULL, 'no such run');

SELECT * FROM finish();
ROLLBACK;
