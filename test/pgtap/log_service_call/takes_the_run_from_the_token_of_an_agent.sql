BEGIN;
SELECT plan(5);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT t.task(:campaign) AS task \gset
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SET LOCAL ROLE vibe_agent;
SELECT lives_ok(format('SELECT * FROM vibe.log_service_call(%L, %L, 120, agent_name => %L, campaign_id => 0, run_id => %s, lock_token => %L)', 'a', 'success', 'somebody', :run, :'token'), 'with its token it writes');
SELECT throws_ok($$SELECT * FROM vibe.log_service_call('a', 'success')$$, 'VB060', NULL, 'not without it');
SELECT throws_ok(format('SELECT * FROM vibe.log_service_call(%L, %L, run_id => %s, lock_token => %L)', 'a', 'success', :run, 'x'), 'VB011', NULL, 'nor with another');
RESET ROLE;
SELECT is((SELECT array[agent_name, campaign_id::text, task_id::text, run_id::text] FROM vibe.list_service_calls('a')),
    array['agent-1', :'campaign', :'task', :'run'], 'the line says whose it is, whatever it was told');
SELECT is((SELECT count(*) FROM vibe.service_calls), 1::bigint, 'the refused ones left nothing');

SELECT * FROM finish();
ROLLBACK;
