BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
DELETE FROM vibe.work WHERE campaign_id = :c;
UPDATE vibe.tasks SET status = 'cancelled', step = NULL, ended_at = vibe.clock() WHERE campaign_id = :c;
SELECT is(campaigns_completed, 1::bigint) FROM vibe.sweep();
SELECT is(t.campaign_status(:c), 'completed');
SELECT is(campaigns_completed, 0::bigint) FROM vibe.sweep();

SELECT * FROM finish();
ROLLBACK;
