BEGIN;
SELECT plan(4);

SELECT t.pipeline(1, '{"on_complete": {"telegram": true}}') AS pipeline \gset
SELECT t.done(t.task(t.campaign(:'pipeline'))) \g /dev/null
SELECT is((SELECT string_agg(channel, ' ') FROM vibe.deliveries), 'telegram', 'no rule is needed');
SELECT vibe.set_notification_rule('campaign_completed', 'in_app', false) \g /dev/null
SELECT t.campaign(:'pipeline') AS campaign \gset
SELECT vibe.cancel_task(t.task(:campaign)) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.deliveries), 2::bigint, 'nor the inbox');
SELECT vibe.set_notification_rule('campaign_completed', 'telegram', true) \g /dev/null
SELECT t.done(t.task(t.campaign(:'pipeline'))) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.deliveries), 3::bigint, 'a rule does not double it');
SELECT vibe.set_notification_rule('campaign_completed', 'telegram', false) \g /dev/null
SELECT t.done(t.task(t.campaign(:'pipeline'))) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.deliveries), 3::bigint, 'and one that says no is heard');

SELECT * FROM finish();
ROLLBACK;
