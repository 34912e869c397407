BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.cancel_task(t.task(:c, 2)) \g /dev/null
SELECT is(t.campaign_status(:c), 'completed');
SELECT throws_ok(format('SELECT * FROM vibe.cancel_task(%s)', t.task(:c)), 'VB020', NULL, 'a completed task stays so');
SELECT throws_ok('SELECT * FROM vibe.cancel_task(-1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
