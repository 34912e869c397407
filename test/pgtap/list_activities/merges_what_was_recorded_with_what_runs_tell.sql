BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT t.task(:c) AS task, project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT t.done(:task) \g /dev/null
SELECT t.finish(r, 'failed', '{"error": "no disk"}') FROM t.claim() r \g /dev/null
SELECT results_eq(format('SELECT kind FROM vibe.list_activities(campaign_id => %s)', :'c'), ARRAY['campaign_activated', 'run_started', 'run_ended', 'run_started', 'run_ended'], 'in the order in which it happened');
SELECT is((SELECT array_agg(id) FROM vibe.list_activities(:p)), (SELECT array_agg(id) FROM vibe.list_activities(campaign_id => :c)), 'the same of its project');
SELECT results_eq(format('SELECT message FROM vibe.list_activities(task_id => %s)', :'task'), ARRAY['agent-1 began "Step 1" of task "Test #1".', 'agent-1 ended "Step 1" of task "Test #1": finished with a valid result.',
    'agent-2 began "Step 2" of task "Test #1".', 'agent-2 ended "Step 2" of task "Test #1": ended with a failure (no disk).'], 'of its task');
SELECT is(detail, '{"branch": "", "step": 2, "attempt": 1, "outcome": "failed"}', 'with the values') FROM vibe.list_activities(agent_name => 'agent-2') WHERE kind = 'run_ended';
SELECT results_eq(format('SELECT kind, agent_name FROM vibe.list_activities(%s, agent_name => %L)', :'p', 'agent-1'), $$VALUES ('run_started', 'agent-1'), ('run_ended', 'agent-1')$$, 'of an agent in a project');
SELECT is((SELECT count(*)::int FROM vibe.list_activities() WHERE campaign_id = :c), 5, 'and of all');

SELECT * FROM finish();
ROLLBACK;
