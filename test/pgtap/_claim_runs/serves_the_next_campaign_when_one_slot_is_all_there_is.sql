BEGIN;
SELECT plan(1);

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 5) AS a \gset
SELECT t.campaign(:'pipeline', 5) AS b \gset
SELECT t.campaign(:'pipeline', 5) AS c \gset
CREATE TEMP TABLE served (nth serial, campaign bigint);
DO $$
DECLARE
    run bigint;
BEGIN
    FOR i IN 1 .. 6 LOOP
        run := t.claim(1);
        INSERT INTO served (campaign) SELECT campaign_id FROM vibe.runs WHERE id = run;
        PERFORM t.finish(run);
    END LOOP;
END
$$;
SELECT results_eq('SELECT campaign FROM served ORDER BY nth', format('VALUES (%1$s::bigint), (%2$s), (%3$s), (%1$s), (%2$s), (%3$s)', :a, :b, :c), 'one after the other, however old the first one''s backlog is');

SELECT * FROM finish();
ROLLBACK;
