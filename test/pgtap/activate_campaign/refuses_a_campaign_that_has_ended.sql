BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c, t.campaign(t.pipeline(1)) AS d \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.activate_campaign(%s)', :'c'), 'VB020', NULL, 'completed');
SELECT count(*) FROM vibe.cancel_campaign(:d) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.activate_campaign(%s)', :'d'), 'VB020', NULL, 'cancelled');

SELECT * FROM finish();
ROLLBACK;
