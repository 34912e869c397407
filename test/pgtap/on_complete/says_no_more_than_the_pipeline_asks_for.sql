BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1, '{"on_complete": {"summary": false, "telegram": null}}')) AS campaign \gset
SELECT t.done(t.task(:campaign)) \g /dev/null
SELECT is(message || detail, 'Campaign "Test" was completed.{}', 'the fact') FROM vibe.activities WHERE kind = 'campaign_completed';
SELECT is((SELECT count(*) FROM vibe.deliveries), 0::bigint, 'to nobody outside');

SELECT * FROM finish();
ROLLBACK;
