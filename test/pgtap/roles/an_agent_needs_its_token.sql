BEGIN;
SELECT plan(7);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SET LOCAL ROLE vibe_agent;
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L)', :task, 'agent-1'), 'VB060', NULL, 'complete_step without it');
SELECT throws_ok(format('SELECT * FROM vibe.release_lock(%s, %L, NULL)', :task, 'agent-1'), 'VB060', NULL, 'release_lock without it');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L)', :task, 'notes'), 'VB060', NULL, 'request_revision without it');
SELECT throws_ok(format('SELECT * FROM vibe.cancel_task(%s)', :task), '42501', NULL, 'what is the operator''s');
SELECT throws_ok('SELECT * FROM vibe.runs', '42501', NULL, 'tables');
SELECT is(vibe.get_run_input(:run, :'token') ->> 'agent', 'agent-1', 'with it it is told what to do');
SELECT is(task_status, 'backlog', 'and completes its step') FROM vibe.complete_step(:task, 'agent-1', :'token');

SELECT * FROM finish();
ROLLBACK;
