BEGIN;
SELECT plan(3);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 3) AS c \gset
CREATE FUNCTION pg_temp.finish(outcome text, extra jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint; said text;
BEGIN
    SELECT t.claim() INTO run;
    PERFORM t.finish(run, outcome, extra);
    SELECT concat_ws(' ', w.waiting_for, extract(epoch FROM w.ready_at - vibe.clock())::numeric(12, 1)) INTO said FROM vibe.work w JOIN vibe.runs r USING (task_id) WHERE r.id = run;
    RETURN said;
END $$;
SELECT is(pg_temp.finish('rate_limited', '{"retry_after_s": 90.5}'), 'back_off 90.5');
SELECT is(pg_temp.finish('rate_limited', '{"retry_after_s": 999999999}'), 'back_off 2592000.0', 'thirty days at most');
SELECT is(pg_temp.finish('failed', '{"permanent": true}'), 'person', 'a failure that no retry mends');

SELECT * FROM finish();
ROLLBACK;
