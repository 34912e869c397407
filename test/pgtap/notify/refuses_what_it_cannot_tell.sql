BEGIN;
SELECT plan(7);

SELECT throws_ok($$SELECT * FROM vibe.notify('no_such', 'x')$$, 'VB072', NULL, 'an unknown kind');
SELECT throws_ok($$SELECT * FROM vibe.notify('task_blocked', ' ')$$, 'VB030', NULL, 'nothing');
SELECT throws_ok(format('SELECT * FROM vibe.notify(%L, %L, %L)', 'task_blocked', 'x', repeat('x', 201)), 'VB030', NULL, 'a recipient that is too long');
SELECT throws_ok(format('SELECT * FROM vibe.notify(%L, %L, dedup_key => %L)', 'task_blocked', 'x', repeat('x', 201)), 'VB030', NULL, 'a key that is too long');
SELECT throws_ok($$SELECT * FROM vibe.notify('task_blocked', 'x', task_id => 0)$$, 'VB003', NULL, 'an unknown task');
SELECT throws_ok($$SELECT * FROM vibe.notify('task_blocked', 'x', campaign_id => 0)$$, 'VB002', NULL, 'an unknown campaign');
SELECT throws_ok($$SELECT * FROM vibe.notify('task_blocked', 'x', project_id => 0)$$, 'VB001', NULL, 'an unknown project');

SELECT * FROM finish();
ROLLBACK;
