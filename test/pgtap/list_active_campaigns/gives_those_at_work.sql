BEGIN;
SELECT plan(1);

SELECT t.campaign(t.pipeline(1)) AS a, t.campaign(t.pipeline(1)) AS b, t.campaign(t.pipeline(1)) AS c \gset
SELECT count(*) FROM vibe.pause_campaign(:b) \g /dev/null
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.reopen_campaign(:c) \g /dev/null
SELECT results_eq('SELECT id FROM vibe.list_active_campaigns()', ARRAY[:c, :a]::bigint[], 'active and in revision, not paused');

SELECT * FROM finish();
ROLLBACK;
