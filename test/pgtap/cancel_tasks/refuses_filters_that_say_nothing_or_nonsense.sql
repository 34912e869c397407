BEGIN;
SELECT plan(14);

SELECT throws_ok(format('SELECT * FROM vibe.cancel_tasks(%L)', filter), 'VB030', NULL, filter)
  FROM unnest(ARRAY['{}', '[]', 'null', '{"campaign": 1}', '{"campaign_id": null}', '{"campaign_id": "x"}', '{"project_id": -1}', '{"status": "asleep"}', '{"status": null}', '{"priority": "soon"}',
      '{"task_ids": 5}', '{"task_ids": ["x"]}']) filter;
SELECT throws_ok('SELECT * FROM vibe.cancel_tasks(NULL)', 'VB030', NULL, 'NULL');
SELECT throws_ok($$SELECT * FROM vibe.cancel_tasks('{"agent_name": "nobody"}')$$, 'VB004', NULL, 'no such agent');

SELECT * FROM finish();
ROLLBACK;
