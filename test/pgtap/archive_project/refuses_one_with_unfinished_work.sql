BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT throws_ok(format('SELECT * FROM vibe.archive_project(%s)', :'p'), 'VB033', NULL, 'an unfinished campaign');
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT id AS task FROM vibe.create_task(:p, 'single', pipeline_slug => 'content-draft') \gset
SELECT throws_ok(format('SELECT * FROM vibe.archive_project(%s)', :'p'), 'VB033', NULL, 'an open task of no campaign');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT lives_ok(format('SELECT * FROM vibe.archive_project(%s)', :'p'), 'neither');
SELECT throws_ok('SELECT * FROM vibe.archive_project(-1)', 'VB001', NULL, 'no such project');

SELECT * FROM finish();
ROLLBACK;
