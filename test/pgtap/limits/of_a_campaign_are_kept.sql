BEGIN;
SELECT plan(4);

SELECT t.pipeline(2) AS pipeline \gset
SELECT t.campaign(:'pipeline', 5) AS tight \gset
SELECT t.campaign(:'pipeline', 5) AS wide \gset
UPDATE vibe.campaigns SET max_parallel = 2 WHERE id = :tight;
CREATE TEMP TABLE first AS SELECT * FROM t.claim(4) run;
SELECT results_eq('SELECT campaign_id, count(*) FROM vibe.runs GROUP BY 1 ORDER BY 1', format('VALUES (%s::bigint, 2::bigint), (%s, 2)', :tight, :wide), 'two of each, in turn');
SELECT count(*) FROM t.claim(4) \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE campaign_id = :tight), 2, 'no third one');
SELECT count(t.finish(run)) FROM first JOIN vibe.runs r ON r.id = run WHERE campaign_id = :tight \g /dev/null
SELECT count(*) FROM t.claim(9) \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE campaign_id = :tight), 4, 'two again when they have ended');
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE campaign_id = :wide), 5, 'and another campaign is not held up');

SELECT * FROM finish();
ROLLBACK;
