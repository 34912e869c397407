BEGIN;
SELECT plan(6);

SELECT (vibe.create_project('p', 'P')).id AS project, t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_campaign(%s)', :'c'), 'VB033', NULL, 'an open task');
SELECT is(vibe.check_campaign_completion(:c), false, 'not completed');
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(vibe.check_campaign_completion(:c), true, 'completed');
SELECT is(status, 'completed', 'by hand it stays so') FROM vibe.complete_campaign(:c);
SELECT id AS planned FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => 'content-draft') \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_campaign(%s)', :'planned'), 'VB020', NULL, 'never activated');
SELECT throws_ok('SELECT * FROM vibe.complete_campaign(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
