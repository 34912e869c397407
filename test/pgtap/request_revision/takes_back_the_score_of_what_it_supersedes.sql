BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(3))) AS task \gset
SELECT t.done(:task, score => 60), t.done(:task, score => 90) \g /dev/null
SELECT is(quality_score, 90::numeric) FROM vibe.tasks WHERE id = :task;
SELECT count(*) FROM vibe.request_revision(:task, 'again', 2) \g /dev/null
SELECT is(quality_score, 60::numeric, 'the last one that counts') FROM vibe.tasks WHERE id = :task;
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1) \g /dev/null
SELECT is(quality_score, NULL, 'or none') FROM vibe.tasks WHERE id = :task;

SELECT * FROM finish();
ROLLBACK;
