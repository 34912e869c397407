BEGIN;
SELECT plan(14);

SELECT t.campaign(t.pipeline(1), 14) AS c \gset
CREATE FUNCTION pg_temp.finish(given text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint; said text;
BEGIN
    SELECT t.claim() INTO run;
    PERFORM vibe._finish_run(run, replace('{"outcome": "done", "exit_code": X, "exit_signal": X, "leftover_processes": X,
        "usage": {"input_tokens": X, "output_tokens": X, "cache_read_tokens": X, "cache_write_tokens": X, "cost_usd": X}}', 'X', given));
    SELECT row(outcome, exit_code, exit_signal, leftover_processes, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd)::text INTO said FROM vibe.runs WHERE id = run;
    RETURN said;
END $$;
SELECT is(pg_temp.finish(given), '(done,,,,,,,,)', left(given, 40)) FROM unnest(ARRAY['-1', '1e308', '1e400', '1e16', '"NaN"', '"7"', 'null', 'true', '[]', '{}', '[1]']) given;
SELECT is(pg_temp.finish('9999999999'), '(done,,,,9999999999,9999999999,9999999999,9999999999,)', 'more than an exit code can be');
SELECT is(pg_temp.finish('0'), '(done,0,0,0,0,0,0,0,0.00000000)', 'zero is a number');
SELECT lives_ok(format($$SELECT * FROM vibe._finish_run(%s, '{"outcome": "done", "usage": [1, 2], "session": {"a": 1}, "stdout_tail": 5, "stderr_tail": null, "artifacts": "x"}')$$, (SELECT t.claim())), 'wrong types elsewhere');

SELECT * FROM finish();
ROLLBACK;
