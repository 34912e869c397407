BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 5) AS c \gset
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 5) AS d \gset
UPDATE vibe.work SET priority = 0 WHERE task_id IN (t.task(:d, 4), t.task(:d, 5));
UPDATE vibe.work SET priority = 3 WHERE task_id = t.task(:c, 1);
SELECT count(*) FROM t.claim(3) \g /dev/null
SELECT is((SELECT array_agg(task_id ORDER BY id) FROM vibe.runs), ARRAY[t.task(:d, 4), t.task(:d, 5), t.task(:c, 2)], 'urgent, urgent, then by age');
SELECT count(*) FROM t.claim(6) \g /dev/null
SELECT is((SELECT task_id FROM vibe.work WHERE state = 'ready'), t.task(:c, 1), 'low is last');

SELECT * FROM finish();
ROLLBACK;
