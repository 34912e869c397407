BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Hero', 0, '{"deliverable": "heroImage"}'), t.branch('Post', 1, '{"deliverable": "socialX"}')))), 2,
    deliverables => '{"heroImage": true, "socialX": false}') AS c \gset
SELECT results_eq(format('SELECT task_id, deliverable, branch, state FROM vibe.tasks_with_incomplete_deliverables(%s)', :'c'),
    format($$VALUES (%s::bigint, 'heroImage', 'Hero', 'ready'), (%s, 'heroImage', 'Hero', 'ready')$$, t.task(:c), t.task(:c, 2)), 'what the campaign wants');
SELECT count(*) FROM t.acquire(t.task(:c), 'Hero') \g /dev/null
SELECT results_eq(format('SELECT task_id FROM vibe.tasks_with_incomplete_deliverables(%s)', :'c'), ARRAY[t.task(:c, 2)], 'not what is running');
SELECT t.done(t.task(:c, 2), 'Hero') \g /dev/null
SELECT is_empty(format('SELECT * FROM vibe.tasks_with_incomplete_deliverables(%s)', :'c'), 'nor what is done');
SELECT count(*) FROM vibe.update_task(t.task(:c, 2), '{"deliverables": ["socialX", "pressRelease"]}') \g /dev/null
SELECT results_eq(format('SELECT deliverable, branch, state FROM vibe.tasks_with_incomplete_deliverables(%s) WHERE task_id = %s', :'c', t.task(:c, 2)),
    $$VALUES ('pressRelease', NULL, NULL), ('socialX', 'Post', NULL)$$, 'a list of its own counts, also for what no branch makes');
SELECT count(*) FROM vibe.cancel_task(t.task(:c, 2)) \g /dev/null
SELECT is_empty(format('SELECT * FROM vibe.tasks_with_incomplete_deliverables(%s)', :'c'), 'a cancelled task wants nothing');
SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Hero', 0, '{"deliverable": "heroImage"}'))))) AS d \gset
SELECT is((SELECT count(*)::int FROM vibe.tasks_with_incomplete_deliverables(:d)), 1, 'without a list all is wanted');
SELECT throws_ok('SELECT * FROM vibe.tasks_with_incomplete_deliverables(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
