BEGIN;
SELECT plan(5);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT vibe.set_service_override(:campaign, 'email', '{c}') \g /dev/null
SELECT run_id AS run, token FROM t.acquire(t.task(:campaign)) \gset
SET LOCAL ROLE vibe_agent;
SELECT is(service, 'c', 'the chain of its own campaign') FROM vibe.resolve_service('email', run_id => :run, lock_token => :'token');
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('email')$$, 'VB060', NULL, 'not without it');
SELECT throws_ok(format('SELECT * FROM vibe.resolve_service(%L, run_id => %s, lock_token => %L)', 'email', :run, 'x'), 'VB011', NULL, 'nor with another');
SELECT throws_ok($$SELECT * FROM vibe.resolve_service('email', run_id => 0, lock_token => 'x')$$, 'VB006', NULL, 'nor for a run that is not there');
SELECT vibe.release_lock((SELECT (vibe.get_run_input(:run, :'token') ->> 'task_id')::bigint), 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.resolve_service(%L, run_id => %s, lock_token => %L)', 'email', :run, :'token'), 'VB011', NULL, 'nor after its end');

SELECT * FROM finish();
ROLLBACK;
