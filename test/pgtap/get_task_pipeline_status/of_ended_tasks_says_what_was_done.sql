BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0)))), 2) AS c \gset
SELECT t.done(t.task(:c)), t.done(t.task(:c)), t.done(t.task(:c), 'Side') \g /dev/null
SELECT vibe.get_task_pipeline_status(t.task(:c)) AS s \gset
SELECT is(:'s'::jsonb ->> 'status' || (SELECT string_agg(p ->> 'status', ' ') FROM jsonb_array_elements(:'s'::jsonb -> 'pipeline') p), 'completedcompleted completed completed');
SELECT is(:'s'::jsonb #>> '{branches,0,status}', 'completed');
SELECT t.done(t.task(:c, 2)), (SELECT status FROM vibe.cancel_task(t.task(:c, 2))) \g /dev/null
SELECT vibe.get_task_pipeline_status(t.task(:c, 2)) AS s \gset
SELECT is((SELECT string_agg(p ->> 'status', ' ') FROM jsonb_array_elements(:'s'::jsonb -> 'pipeline') p), 'completed completed pending', 'cancelled: what was done before is still so');
SELECT is(:'s'::jsonb #>> '{branches,0,status}', 'cancelled');

SELECT * FROM finish();
ROLLBACK;
