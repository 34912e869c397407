BEGIN;
SELECT plan(9);

SELECT t.now('2030-01-01 12:00Z') \g /dev/null
SELECT count(*) FROM vibe.set_price('small', 1, 10, 0.5, 2) \g /dev/null
SELECT count(*) FROM vibe.set_price('small', 100, 100, valid_from => '2030-01-02') \g /dev/null
SELECT count(*) FROM vibe.set_price('other', 2, 20) \g /dev/null
SELECT t.campaign(t.pipeline(1), 8) AS c \gset
CREATE FUNCTION pg_temp.ended(usage jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint := (SELECT * FROM t.claim(1));
BEGIN
    PERFORM t.finish(run, 'failed', jsonb_build_object('usage', usage));
    RETURN (SELECT concat_ws(' ', cost_source, cost_usd::float8) FROM vibe.runs WHERE id = run);
END $$;
SELECT is(pg_temp.ended('{"input_tokens": 1000000, "output_tokens": 100000, "cache_read_tokens": 200000, "cache_write_tokens": 50000, "cost_usd": null}'), 'computed 2.2', 'each kind of token at its price');
SELECT is(pg_temp.ended('{"input_tokens": 1000000, "cost_usd": 0.25}'), 'reported 0.25', 'what the agent says itself counts');
SELECT is(pg_temp.ended('{"input_tokens": 1000000, "cost_usd": 0}'), 'reported 0', 'even nothing');
SELECT is(pg_temp.ended('{"input_tokens": 1000000, "cache_read_tokens": 1000000, "model": "other"}'), 'computed 4', 'the model that it told goes first; cached tokens cost as others where nothing is said');
SELECT is(pg_temp.ended('{"input_tokens": 1000000, "model": "unheard-of"}'), 'computed 1', 'else the run''s own');
SELECT is(pg_temp.ended('{"input_tokens": 0, "output_tokens": 0, "cost_usd": null}'), '', 'without tokens nothing is known');
SELECT is(pg_temp.ended(NULL), '', 'nor without usage');
SELECT t.now('2030-01-02 12:00Z') \g /dev/null
SELECT is(pg_temp.ended('{"input_tokens": 1000000}'), 'computed 100', 'the price of the day of its claim');
SELECT results_eq('SELECT model, input_usd, cache_read_usd FROM vibe.list_prices()', $$VALUES ('other', 2::numeric, 2::numeric), ('small', 1, 0.5), ('small', 100, 100)$$, 'the price list');

SELECT * FROM finish();
ROLLBACK;
