BEGIN;
SELECT plan(8);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT is(assignees, '{agent-1,agent-2}') FROM vibe.assign_task(:task, ARRAY['agent-2', 'agent-1', 'agent-2']);
SELECT is(assignees, '{agent-1,agent-2,agent-3}', 'others are added') FROM vibe.assign_task(:task, ARRAY['agent-1', 'agent-3']);
SELECT is((SELECT array_agg(message ORDER BY id) FROM vibe.activities WHERE kind = 'task_assigned'), ARRAY['Task "Test #1" was assigned to agent-1, agent-2.', 'Task "Test #1" was assigned to agent-3.'], 'the feed names those who are new');
SELECT is(agent_name, 'agent-1', 'who does the step is the pipeline''s business') FROM vibe.get_task(:task);
SELECT throws_ok(format('SELECT * FROM vibe.assign_task(%s, %L)', :'task', '{agent-1,nobody}'), 'VB004', NULL, 'one that is not there');
SELECT throws_ok(format('SELECT * FROM vibe.assign_task(%s, %s)', :'task', names), 'VB030', NULL, names) FROM unnest(ARRAY['NULL', '''{}''']) names;
SELECT throws_ok($$SELECT * FROM vibe.assign_task(-1, '{agent-1}')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
