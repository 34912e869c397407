BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 5) AS c \gset
SELECT vibe.fail_step(a.run_id, a.token, retry_after => '1 hour') FROM t.acquire(t.task(:c)) a \g /dev/null
SELECT run_id FROM t.acquire(t.task(:c, 2)) \g /dev/null
SELECT t.claim(1) \g /dev/null
DELETE FROM vibe.work WHERE task_id = t.task(:c, 5);
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT t.now('2030-01-01 14:00+00') \g /dev/null
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT t.everything() AS before \gset
SELECT is((SELECT string_agg(key || ' ' || value, ', ') FROM jsonb_each(to_jsonb(s)) WHERE value <> '0'), 'swept true') FROM vibe.sweep() s;
SELECT is(t.everything(), :'before');

SELECT * FROM finish();
ROLLBACK;
