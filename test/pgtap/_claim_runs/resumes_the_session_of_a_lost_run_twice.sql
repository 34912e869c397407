BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1)) AS c \gset
CREATE FUNCTION pg_temp.next(outcome text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint; said text;
BEGIN
    SELECT run_id INTO run FROM vibe._claim_runs('{default}', '{1}', 1);
    PERFORM vibe._mark_started(ARRAY[run], '{1}', '{1}', 'boot', 'ns');
    SELECT CASE WHEN resumed_session IS NULL THEN 'fresh' ELSE 'resumed' END INTO said FROM vibe.runs WHERE id = run;
    PERFORM t.finish(run, outcome);
    UPDATE vibe.work SET state = 'ready', waiting_for = NULL, ready_at = NULL WHERE run_id IS NULL;
    RETURN said;
END $$;
SELECT is(pg_temp.next('lost'), 'fresh', 'the first run');
SELECT is(pg_temp.next('lost'), 'resumed', 'once');
SELECT is(pg_temp.next('lost'), 'resumed', 'twice');
SELECT is(pg_temp.next('lost'), 'fresh', 'enough');
SELECT is(pg_temp.next('failed'), 'fresh', 'and it stays so');
SELECT is(pg_temp.next('done'), 'fresh', 'a failure is not resumed');

SELECT * FROM finish();
ROLLBACK;
