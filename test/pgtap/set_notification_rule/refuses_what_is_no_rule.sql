BEGIN;
SELECT plan(8);

SELECT throws_ok($$SELECT * FROM vibe.set_notification_rule('no_such', 'telegram', true)$$, 'VB072', NULL, 'an unknown kind');
SELECT throws_ok(format('SELECT * FROM vibe.set_notification_rule(%L, %L, true)', 'task_blocked', channel), 'VB030', NULL, 'channel ' || coalesce(channel, 'NULL'))
  FROM unnest(ARRAY[NULL, '', 'a b', '/bin/sh']) channel;
SELECT throws_ok($$SELECT * FROM vibe.set_notification_rule('task_blocked', 'telegram', NULL)$$, 'VB030', NULL, 'neither');
SELECT throws_ok(format('SELECT * FROM vibe.set_notification_rule(%L, %L, true, %L)', 'task_blocked', 'telegram', wait), 'VB030', NULL, 'collect_for ' || wait)
  FROM unnest(ARRAY['-1 s', '2 days']) wait;

SELECT * FROM finish();
ROLLBACK;
