BEGIN;
SELECT plan(1);

SELECT vibe.set_notification_rule('campaign_activated', 'telegram', true) \g /dev/null
SAVEPOINT before;
SELECT t.campaign(t.pipeline(1)) \g /dev/null
ROLLBACK TO before;
SELECT is((SELECT count(*) FROM vibe.notifications) + (SELECT count(*) FROM vibe.deliveries), 0::bigint, 'neither in the inbox nor in the outbox');

SELECT * FROM finish();
ROLLBACK;
