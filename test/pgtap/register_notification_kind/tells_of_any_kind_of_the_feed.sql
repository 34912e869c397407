BEGIN;
SELECT plan(1);

SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT vibe.register_notification_kind('campaign_paused', 'A campaign was paused.') \g /dev/null
SELECT vibe.pause_campaign(:campaign) \g /dev/null
SELECT is((SELECT campaign_id FROM vibe.list_notifications() WHERE kind = 'campaign_paused'), :campaign::bigint, 'of a pause, for one');

SELECT * FROM finish();
ROLLBACK;
