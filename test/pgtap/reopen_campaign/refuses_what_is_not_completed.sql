BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.reopen_campaign(%s)', :'c'), 'VB020', NULL, 'an active one');
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.reopen_campaign(%s)', :'c'), 'VB020', NULL, 'a cancelled one');
SELECT throws_ok('SELECT * FROM vibe.reopen_campaign(-1)', 'VB002', NULL, 'no such campaign');
SELECT t.campaign(t.pipeline(1)) AS d \gset
SELECT t.done(t.task(:d)) \g /dev/null
SELECT count(*) FROM vibe.archive_project((SELECT project_id FROM vibe.campaigns WHERE id = :d)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.reopen_campaign(%s)', :'d'), 'VB023', NULL, 'one of an archived project');

SELECT * FROM finish();
ROLLBACK;
