BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.claim() AS run \gset
SELECT throws_ok(format('SELECT * FROM vibe.delete_task(%s)', :'task'), 'VB033', NULL, 'a step runs');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.delete_task(%s)', :'task'), 'VB033', NULL, 'its process has not ended');
SELECT t.finish(:run, 'cancelled') \g /dev/null
SELECT lives_ok(format('SELECT * FROM vibe.delete_task(%s)', :'task'), 'now it has');
SELECT is(t.campaign_status(:c), 'active', 'its campaign has another task');
SELECT throws_ok('SELECT * FROM vibe.delete_task(-1)', 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
