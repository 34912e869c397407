BEGIN;
SELECT plan(3);

SELECT t.pipeline(1) AS pipeline \gset
SELECT array_agg(t.campaign(:'pipeline', 3)) AS c FROM generate_series(1, 7) \gset
SELECT vibe.pause_campaign(id) FROM unnest((:'c'::bigint[])[2:4] || (:'c'::bigint[])[7]) id \g /dev/null
CREATE FUNCTION pg_temp.served(n integer, c bigint[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    runs bigint[] := ARRAY(SELECT t.claim(n));
BEGIN
    RETURN (SELECT string_agg(array_position(c, r.campaign_id)::text, ' ' ORDER BY r.id) FROM vibe.runs r WHERE r.id = ANY (runs));
END
$$;
SELECT is(pg_temp.served(2, :'c'), '1 5', 'the next one at work, however many are paused between');
SELECT is(pg_temp.served(3, :'c'), '6 6 1', 'those without a run, and then on from the last one round to the first');
UPDATE vibe.work SET priority = 3 WHERE campaign_id = (:'c'::bigint[])[6] AND state = 'ready';
SELECT is(pg_temp.served(9, :'c'), '5 5 1 6', 'a lower priority comes last, whoever has how much');

SELECT * FROM finish();
ROLLBACK;
