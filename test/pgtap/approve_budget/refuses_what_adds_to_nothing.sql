BEGIN;
SELECT plan(10);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.approve_budget(%s)', replace(arguments, 'C', :'c')), 'VB030', NULL, arguments)
  FROM unnest(ARRAY['', 'C', 'usd => 1', 'C, 1, 1', 'C, usd => 0', 'C, usd => -1']) arguments;
SELECT throws_ok(format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => 1)', :c), 'VB020', NULL, 'a campaign without a ceiling');
SELECT throws_ok(format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => 1)', t.task(:c)), 'VB020', NULL, 'a task without one');
SELECT throws_ok('SELECT * FROM vibe.approve_budget(campaign_id => -1, usd => 1)', 'VB002', NULL, 'no such campaign');
SELECT throws_ok('SELECT * FROM vibe.approve_budget(task_id => -1, usd => 1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
