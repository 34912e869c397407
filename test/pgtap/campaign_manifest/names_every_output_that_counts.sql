BEGIN;
SELECT plan(9);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Hero', 1, '{"deliverable": "heroImage", "output_dir": "images"}'))),
    '{"1": {"output_dir": "research"}, "2": {"output_dir": "drafts"}}')) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.finish(r, 'done', '{"result": {"summary": "found", "output_path": "research/x.md"}, "usage": {"cost_usd": 0.5, "input_tokens": 10}}') FROM t.claim() r \g /dev/null
SELECT t.done(:task, 'Hero', 70) \g /dev/null
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1) \g /dev/null
SELECT t.finish(r, 'done', '{"result": {"summary": "found more"}}') FROM t.claim() r \g /dev/null
SELECT vibe.campaign_manifest(:c) AS m \gset
SELECT is(jsonb_array_length(:'m'::jsonb #> '{tasks,0,outputs}'), 2, 'main line and branch, nothing superseded');
SELECT is(:'m'::jsonb #>> '{tasks,0,outputs,0,summary}', 'found more', 'the result that counts');
SELECT is(:'m'::jsonb #>> '{tasks,0,outputs,0,kind}', 'research', 'a main step by its directory');
SELECT is(:'m'::jsonb #>> '{tasks,0,outputs,0,publishedPath}', (SELECT '/srv/test/projects/' || p.slug || '/campaigns/' || c.slug || '/research/task-1.md' FROM vibe.campaigns c JOIN vibe.projects p ON p.id = c.project_id WHERE c.id = :c), 'where it is published');
SELECT is(:'m'::jsonb #>> '{tasks,0,outputs,1,kind}', 'heroImage', 'a branch by its deliverable');
SELECT is(:'m'::jsonb #> '{tasks,0,outputs,1,publishedPath}', 'null', 'what was held by hand is not published');
SELECT is(:'m'::jsonb #> '{totals,outputsByKind}', '{"research": 1, "heroImage": 1}', 'counted by kind');
SELECT is(:'m'::jsonb #> '{totals,costUsd}', '0.50000000', 'cost counts every run');
SELECT throws_ok('SELECT vibe.campaign_manifest(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
