BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(4, jsonb_build_object('convergence_step', 4, 'parallel_branches', jsonb_build_array(t.branch('a', 1))))) AS c,
       t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1))))) AS d \gset
SELECT t.done(t.task(:c)), t.done(t.task(:c)), t.done(t.task(:d)), t.done(t.task(:d)) \g /dev/null
DELETE FROM vibe.work;
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT is(t.work(t.task(:c)) || ', ' || t.work(t.task(:c), 'a'), '3 ready, 0 ready', 'one that was triggered long before and is not done');
SELECT is((SELECT string_agg(branch || ' ' || state, ',') FROM vibe.work WHERE task_id = t.task(:d)), 'a ready', 'a main line that was finished stays finished');

SELECT * FROM finish();
ROLLBACK;
