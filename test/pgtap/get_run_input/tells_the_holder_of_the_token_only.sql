BEGIN;
SELECT plan(5);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT vibe.get_run_input(:run_id, :'token') AS input \gset
SELECT is(:'input'::jsonb ->> 'step' || (:'input'::jsonb #>> '{inputs,0,label}') || (:'input'::jsonb ? 'token')::text, '2Step 1false', 'its step and what came before, no token');
SELECT throws_ok(format('SELECT vibe.get_run_input(%s, %L)', :'run_id', 'guess'), 'VB011', NULL, 'a guess');
SELECT throws_ok(format('SELECT vibe.get_run_input(%s, NULL)', :'run_id'), 'VB011', NULL, 'nothing');
SELECT throws_ok(format('SELECT vibe.get_run_input(-1, %L)', :'token'), 'VB006', NULL, 'no such run');
SELECT count(*) FROM vibe.complete_step(:task, 'agent-2', :'token') \g /dev/null
SELECT throws_ok(format('SELECT vibe.get_run_input(%s, %L)', :'run_id', :'token'), 'VB011', NULL, 'a run that is closed');

SELECT * FROM finish();
ROLLBACK;
