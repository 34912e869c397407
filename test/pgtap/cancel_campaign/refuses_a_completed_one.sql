BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.cancel_campaign(%s)', :'c'), 'VB020');
SELECT is(t.campaign_status(:c), 'completed');

SELECT * FROM finish();
ROLLBACK;
