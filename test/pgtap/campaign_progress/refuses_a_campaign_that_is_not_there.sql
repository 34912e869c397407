BEGIN;
SELECT plan(2);

SELECT is_empty('SELECT id FROM vibe.campaigns', 'without any campaign');
SELECT throws_ok('SELECT * FROM vibe.campaign_progress(1)', 'VB002', NULL, 'none is found');

SELECT * FROM finish();
ROLLBACK;
