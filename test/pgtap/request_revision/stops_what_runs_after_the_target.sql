BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(3)) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT t.claim() AS run \gset
SELECT count(*) FROM vibe.request_revision(:task, 'again', 1) \g /dev/null
SELECT is(row(r.outcome, r.superseded, r.ended_at)::text, '(cancelled,t,)', 'closed, its process still has to go') FROM vibe.runs r WHERE id = :run;
SELECT is_empty('SELECT t.claim(5)', 'and until then nothing else starts in its workspace');
SELECT t.finish(:run, 'cancelled') \g /dev/null
SELECT isnt_empty('SELECT t.claim(5)', 'then it does');

SELECT * FROM finish();
ROLLBACK;
