BEGIN;
SELECT plan(15);

SELECT t.campaign(t.pipeline(1), 40) AS c \gset
CREATE FUNCTION pg_temp.ended(outcome text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint := (SELECT * FROM t.claim(1));
BEGIN
    PERFORM t.finish(run, outcome, '{"usage": {"input_tokens": 7, "cost_usd": 0.5}}');
    RETURN (SELECT concat_ws(' ', input_tokens, trim_scale(cost_usd), cost_source) FROM vibe.runs WHERE id = run);
END $$;
SELECT is(pg_temp.ended(outcome), '7 0.5 reported', outcome) FROM vibe.outcomes WHERE outcome NOT IN ('revise', 'exec_error') ORDER BY outcome;
SELECT t.claim(1) AS run \gset
SELECT vibe.cancel_run(:run) \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.usage_entries WHERE run_id = :run), 0, 'a run that was closed first counts');
SELECT t.finish(:run, 'cancelled', '{"usage": {"cost_usd": 0.5}}') FROM t.finish(:run, 'cancelled', '{"usage": {"cost_usd": 0.5}}') \g /dev/null
SELECT is((SELECT cost_usd FROM vibe.usage_entries WHERE run_id = :run), 0.5, 'once, at its process''s end');

SELECT * FROM finish();
ROLLBACK;
