BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1)) AS c \gset
DELETE FROM vibe.tasks WHERE campaign_id = :c;
SELECT is(vibe.check_campaign_completion(:c), false, 'an active campaign with no tasks is not finished');
SELECT is((SELECT campaigns_completed FROM vibe.sweep()), 0::bigint, 'nor does the sweep think so');
SELECT is(status, 'completed', 'a person may') FROM vibe.complete_campaign(:c);
SELECT throws_ok('SELECT vibe.check_campaign_completion(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
