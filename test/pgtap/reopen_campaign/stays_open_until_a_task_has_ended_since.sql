BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT count(*) FROM vibe.reopen_campaign(:c) \g /dev/null
SELECT is(campaigns_completed, 0::bigint, 'the sweep leaves it open') FROM vibe.sweep();
SELECT is(vibe.check_campaign_completion(:c), false, 'so does a look at it');
SELECT is(t.campaign_status(:c), 'in_revision');
SELECT is(status, 'completed', 'by hand it can be ended') FROM vibe.complete_campaign(:c);

SELECT * FROM finish();
ROLLBACK;
