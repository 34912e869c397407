BEGIN;
SELECT plan(8);

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 9) AS c \gset
CREATE FUNCTION pg_temp.claimed() RETURNS text LANGUAGE plpgsql AS $$
DECLARE c record;
BEGIN
    SELECT * INTO c FROM vibe._claim_runs('{default}', '{1}', 1);
    RETURN (SELECT concat_ws(' ', r.reserved_usd, c.run -> 'budget_usd') FROM vibe.runs r WHERE r.id = c.run_id);
END $$;
SELECT is(pg_temp.claimed(), 'null', 'nothing said, no ceiling: no limit');
SELECT count(*) FROM vibe.set_run_budget(3) \g /dev/null
SELECT is(pg_temp.claimed(), '3 3', 'the database''s');
SELECT count(*) FROM vibe.set_run_budget(2, agent_name => 'agent-1') \g /dev/null
SELECT is(pg_temp.claimed(), '2 2', 'before it the agent''s');
SELECT count(*) FROM vibe.set_budget(:c, 1.5, per => 'run') \g /dev/null
SELECT is(pg_temp.claimed(), '1.5 1.5', 'before that the campaign''s');
SELECT vibe.set_budget(:c, NULL, per => 'run'), vibe.set_run_budget(NULL), vibe.set_run_budget(NULL, 'agent-1') \g /dev/null
SELECT count(*) FROM vibe.set_budget(:c, 100) \g /dev/null
SELECT is(pg_temp.claimed(), '1.00 1.00', 'under a ceiling where nobody says: 1 USD');
SELECT count(*) FROM vibe.set_budget(:c, 0.3, per => 'task') \g /dev/null
SELECT is(pg_temp.claimed(), '0.3 0.3', 'or the ceiling, if that is less');
SELECT is((c.input ->> 'budget_usd')::numeric, 0.3, 'workers elsewhere are told as well') FROM vibe.claim_runs('{agent-1}') c;

SELECT count(*) FROM vibe.set_price('small', 1, 5) \g /dev/null
SELECT t.now((clock_timestamp() + '1 h')::text) \g /dev/null
SELECT is(run -> 'price', '{"input_tokens": 1, "output_tokens": 5, "cache_read_tokens": 1, "cache_write_tokens": 1}', 'the supervisor is told the price of tokens') FROM vibe._claim_runs('{default}', '{1}', 1);

SELECT * FROM finish();
ROLLBACK;
