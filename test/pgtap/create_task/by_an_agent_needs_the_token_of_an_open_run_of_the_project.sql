BEGIN;
SELECT plan(8);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT project_id AS p, campaign_id AS c FROM vibe.tasks WHERE id = :task \gset
SELECT (vibe.create_project('other', 'O')).id AS other \gset
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SET LOCAL ROLE vibe_agent;
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s)$$, :'p', :'c'), 'VB060', NULL, 'without one');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s, run_id => %s, lock_token => 'guessed')$$, :'p', :'c', :'run'), 'VB011', NULL, 'with a guessed one');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s, run_id => %s)$$, :'p', :'c', :'run'), 'VB011', NULL, 'with the run alone');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', pipeline_slug => 'content-draft', run_id => %s, lock_token => %L)$$, :'other', :'run', :'token'), 'VB060', NULL, 'in another project');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(NULL, 'x', pipeline_slug => 'content-draft', run_id => %s, lock_token => %L)$$, :'run', :'token'), 'VB060', NULL, 'in none');
SELECT is(title, 'More', 'in its own') FROM vibe.create_task(:p, 'More', :c, run_id => :run, lock_token => :'token');
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s, run_id => %s, lock_token => %L)$$, :'p', :'c', :'run', :'token'), 'VB011', NULL, 'not once the run is closed');
RESET ROLE;
SELECT is((SELECT detail FROM vibe.activities WHERE kind = 'task_created'), jsonb_build_object('run_id', :run), 'the feed names the run');

SELECT * FROM finish();
ROLLBACK;
