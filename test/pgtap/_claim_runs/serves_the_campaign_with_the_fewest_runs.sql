BEGIN;
SELECT plan(2);

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 9) AS a \gset
SELECT is((SELECT count(*)::int FROM t.claim(3)), 3, 'alone it has all slots');
SELECT t.campaign(:'pipeline', 9) AS b \gset
CREATE TEMP TABLE later AS SELECT run FROM t.claim(5) run;
SELECT is((SELECT string_agg(CASE campaign_id WHEN :a THEN 'a' ELSE 'b' END, '' ORDER BY id) FROM vibe.runs JOIN later ON run = id), 'bbbba',
    'a later one catches up first, then they take turns');

SELECT * FROM finish();
ROLLBACK;
