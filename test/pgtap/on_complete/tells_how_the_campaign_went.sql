BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2, '{"on_complete": {"summary": true, "generateManifest": true}}'), 3) AS campaign \gset
SELECT t.finish(r, 'done', '{"usage": {"cost_usd": 0.25}, "result": {"score": 70}}') FROM t.claim(3) r \g /dev/null
SELECT vibe.request_revision(t.task(:campaign, 2), 'again') \g /dev/null
SELECT t.done(t.task(:campaign, 2)), t.done(t.task(:campaign, 1), score => 80), t.done(t.task(:campaign, 2), score => 91.5) \g /dev/null
SELECT vibe.cancel_task(t.task(:campaign, 3)) \g /dev/null
SELECT is(t.campaign_status(:campaign), 'completed', 'it is over');
SELECT is(detail -> 'summary', '{"articles": 2, "cancelled": 1, "average_score": 85.8, "revisions": 1, "cost_usd": 0.75000000, "duration_s": 0}', 'in numbers') FROM vibe.activities WHERE kind = 'campaign_completed';
SELECT is(message, 'Campaign "Test" was completed. 2 articles, 1 tasks cancelled, average score 85.8, 1 revisions, 0.75 USD, in 00:00:00.', 'in words') FROM vibe.notifications WHERE kind = 'campaign_completed';
SELECT is(detail ->> 'manifest', format('SELECT vibe.campaign_manifest(%s);', :campaign), 'where its manifest is') FROM vibe.activities WHERE kind = 'campaign_completed';

SELECT * FROM finish();
ROLLBACK;
