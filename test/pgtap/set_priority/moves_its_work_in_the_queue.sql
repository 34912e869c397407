BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0)))), 3) AS c \gset
SELECT is(priority, 'urgent') FROM vibe.set_priority(t.task(:c, 3), 'urgent');
SELECT is((SELECT array_agg(w.priority) FROM vibe.work w WHERE w.task_id = t.task(:c, 3)), '{0,0}'::smallint[], 'main line and branch');
SELECT t.claim() AS run \gset
SELECT is(task_id, t.task(:c, 3), 'it is claimed first') FROM vibe.runs WHERE id = :run;
SELECT count(*) FROM vibe.set_priority(t.task(:c, 3), 'urgent') \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_updated'), 1, 'a second call changes nothing');
SELECT throws_ok(format($$SELECT * FROM vibe.set_priority(%s, 'soon')$$, t.task(:c)), 'VB030', NULL, 'no such priority');
SELECT throws_ok($$SELECT * FROM vibe.set_priority(-1, 'low')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
