BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT vibe.notify('task_blocked', 'another') \g /dev/null
DELETE FROM vibe.work;
UPDATE vibe.tasks SET status = 'cancelled', step = NULL, ended_at = vibe.clock() WHERE campaign_id = :c;
SELECT is(row(campaigns_completed, notifications_queued)::text, '(1,1)') FROM vibe.sweep();
SELECT is(notifications_queued, 0::bigint) FROM vibe.sweep();

SELECT * FROM finish();
ROLLBACK;
