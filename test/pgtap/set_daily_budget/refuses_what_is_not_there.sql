BEGIN;
SELECT plan(9);

SELECT throws_ok(format('SELECT * FROM vibe.set_daily_budget(%s)', arguments), 'VB030', NULL, arguments)
  FROM unnest(ARRAY['0', '-1', $$'NaN'$$, $$1, agent_name => 'agent-1', provider => 'x'$$, $$1, provider => 'a b'$$]) arguments;
SELECT throws_ok('SELECT * FROM vibe.set_daily_budget(1, project_id => -1)', 'VB001', NULL, 'a project');
SELECT throws_ok($$SELECT * FROM vibe.set_daily_budget(1, agent_name => 'nobody')$$, 'VB004', NULL, 'an agent');
SELECT throws_ok($$SELECT * FROM vibe.set_run_budget(1, agent_name => 'nobody')$$, 'VB004', NULL, 'nor of a run');
SELECT throws_ok($$SELECT * FROM vibe.set_run_budget(0)$$, 'VB030', NULL, 'nor nothing');

SELECT * FROM finish();
ROLLBACK;
