BEGIN;
SELECT plan(17);

SELECT throws_ok(format('SELECT * FROM vibe.retry_steps(%L)', filter), 'VB030', NULL, coalesce(filter, 'NULL'))
  FROM unnest(ARRAY[NULL, '{}', '[]', '1', 'null', '{"note": "only a note"}', '{"colour": "red"}', '{"campaign_id": "1"}', '{"campaign_id": 1.5}', '{"campaign_id": 1e30}',
      '{"project_id": null}', '{"agent_name": 7}', '{"outcome": "splendid"}', '{"waiting_for": "approval"}', '{"task_ids": 1}', '{"task_ids": ["1"]}', '{"task_ids": [1], "note": 7}']) filter;

SELECT * FROM finish();
ROLLBACK;
