BEGIN;
SELECT plan(17);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2), 18) AS c \gset
SELECT t.done(x.id) FROM vibe.tasks x WHERE campaign_id = :c \g /dev/null
CREATE FUNCTION pg_temp.finish(outcome text, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint; said text;
BEGIN
    SELECT t.claim() INTO run;
    PERFORM t.finish(run, outcome, format('{"result": %s}', result)::jsonb);
    SELECT concat_ws(' ', r.outcome, t.work(task_id), quality_score) INTO said FROM vibe.runs r WHERE r.id = run;
    RETURN said;
END $$;
SELECT is(pg_temp.finish('done', result), 'bad_result 2 waiting back_off', 'done ' || result)
  FROM unnest(ARRAY['{"score": 900}', '{"score": -1}', '{"score": "NaN"}', '{"score": "high"}', '{"score": {}}', '{"output_path": "/etc/shadow"}', '{"output_path": "../../x"}']) result;
SELECT is(pg_temp.finish('revise', result), 'bad_result 2 waiting back_off', 'revise ' || result)
  FROM unnest(ARRAY['{"target_step": 9}', '{"target_step": 2}', '{"target_step": -1}', '{"target_step": 0}', '{"target_step": "first"}', '{"target_step": 1.5}', '{"score": 101}']) result;
SELECT is(pg_temp.finish('revise', '{}'), 'revise 1 ready', 'no notes, no target: the step before');
SELECT t.claim() AS again \gset
SELECT is(pg_temp.finish('done', '[]'), 'done', 'a result that is no object is none');
SELECT is(pg_temp.finish('done', 'null'), 'done', 'nor is null');

SELECT * FROM finish();
ROLLBACK;
