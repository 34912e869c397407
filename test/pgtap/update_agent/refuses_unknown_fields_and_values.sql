BEGIN;
SELECT plan(15);

SELECT throws_ok(format('SELECT * FROM vibe.update_agent(%L, %L)', 'agent-1', changes), code, NULL, code || ' for ' || coalesce(changes, 'NULL'))
  FROM (VALUES ('VB030', NULL), ('VB030', '[]'), ('VB030', '{"name": "x"}'), ('VB030', '{"is_preset": "x"}'), ('VB030', '{"paused_at": "x"}'), ('VB030', '{"level": " "}'), ('VB030', '{"level": 5}'),
               ('VB030', '{"default_model": "-x"}'), ('VB030', '{"default_model": {"a": 1}}'), ('VB030', '{"max_parallel": "many"}'), ('VB030', '{"max_parallel": 1.5}'),
               ('VB030', '{"heartbeat_schedule": "soon"}'), ('VB030', '{"heartbeat_schedule": ""}'), ('VB040', '{"runner": "/bin/sh"}')) x(code, changes);
SELECT throws_ok($$SELECT * FROM vibe.update_agent('nobody', '{}')$$, 'VB004', NULL, 'no agent');

SELECT * FROM finish();
ROLLBACK;
