BEGIN;
SELECT plan(9);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0))))) AS c \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT id AS task FROM vibe.create_task(:p, 'By hand', :c, priority => 'high', description => 'about', keyword => 'kw', assignees => ARRAY['agent-2', 'agent-1', 'agent-1']) \gset
SELECT is(row(x.campaign_id, x.number, x.slug, x.status, x.priority, x.description, x.keyword, x.assignees)::text,
    '(' || :c || ',2,by-hand,backlog,high,about,kw,"{agent-1,agent-2}")') FROM vibe.get_task(:task) x;
SELECT is(pipeline_version_id, (SELECT c.pipeline_version_id FROM vibe.campaigns c WHERE c.id = :c), 'its pinned version') FROM vibe.tasks WHERE id = :task;
SELECT is(t.work(:task), '1 ready', 'the first step is ready');
SELECT is(t.work(:task, 'Side'), '0 ready', 'so is a branch that starts at once');
SELECT is((SELECT priority FROM vibe.work WHERE task_id = :task AND branch = ''), 1::smallint, 'at its place in the queue');
SELECT t.claim() AS run \gset
SELECT is(task_id, :task::bigint, 'and is claimed first') FROM vibe.runs WHERE id = :run;
SELECT is((SELECT message FROM vibe.activities WHERE task_id = :task AND kind = 'task_created'), 'Task "By hand" was created.', 'the feed tells of it');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s, pipeline_slug => 'content-draft')$$, :'p', :'c'), 'VB030', NULL, 'another pipeline is refused');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s)$$, (vibe.create_project('other', 'O')).id, :'c'), 'VB030', NULL, 'so is another project');

SELECT * FROM finish();
ROLLBACK;
