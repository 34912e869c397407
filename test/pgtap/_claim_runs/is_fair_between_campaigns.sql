BEGIN;
SELECT plan(2);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 50) AS big \gset
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS small, t.campaign(t.pipeline(1), 2) AS other \gset
SELECT count(*) FROM t.claim(6) \g /dev/null
SELECT is((SELECT array_agg(n ORDER BY n) FROM (SELECT count(*)::int AS n FROM vibe.runs GROUP BY campaign_id) x), '{2,2,2}', 'the one with fifty, and older, does not go first');
SELECT is((SELECT count(*)::int FROM t.claim(6)), 6, 'then it gets what is left');

SELECT * FROM finish();
ROLLBACK;
