BEGIN;
SELECT plan(4);

SELECT (vibe.create_project('p', 'P')).id AS project, t.campaign(t.pipeline(1)) AS c, t.campaign(t.pipeline(1)) AS d \gset
SELECT id AS planned FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => 'content-draft') \gset
SELECT t.done(t.task(:c)), (SELECT status FROM vibe.cancel_campaign(:d)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.pause_campaign(%s)', id), 'VB020', NULL, status) FROM vibe.campaigns;
SELECT throws_ok('SELECT * FROM vibe.pause_campaign(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
