BEGIN;
SELECT plan(20);

SELECT t.campaign(t.pipeline(1, '{}', '{"1": {"max_attempts": 100}}'), 19) AS c \gset
CREATE TEMP TABLE garbage AS SELECT row_number() OVER () AS n, record FROM unnest(ARRAY[
    NULL, '', 'no json', '{', '[]', '5', 'null', '"done"', '{}', '{"outcome": null}', '{"outcome": 5}', '{"outcome": "nonsense"}', '{"outcome": {"outcome": "done"}}', '[{"outcome": "done"}]',
    '{"outcome": "done", "stdout_tail": "\u0000"}', '{"outcome": "done", "x": 1e9999999}', '{"outcome": "done", "x": "\ud800"}', repeat('[', 100000), '{"outcome": "done"} {"outcome": "failed"}']) record;
CREATE FUNCTION pg_temp.finish(record text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint; said text;
BEGIN
    SELECT t.claim() INTO run;
    PERFORM vibe._finish_run(run, record);
    SELECT concat_ws(' ', outcome, w.attempts, w.waiting_for, ended_at IS NOT NULL) INTO said FROM vibe.runs r JOIN vibe.work w USING (task_id) WHERE r.id = run;
    RETURN said;
END $$;
SELECT is(pg_temp.finish(record), 'bad_result 1 back_off t', coalesce(left(record, 50), 'NULL')) FROM garbage ORDER BY n;
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE error IS NULL), 0, 'each says why');

SELECT * FROM finish();
ROLLBACK;
