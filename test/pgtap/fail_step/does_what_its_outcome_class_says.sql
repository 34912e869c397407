-- One task per class of vibe.outcomes that a caller may use; a first failure each.
BEGIN;
SELECT plan(12);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 12) AS c \gset
CREATE FUNCTION pg_temp.fail(task bigint, outcome text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE held record; f record;
BEGIN
    SELECT * INTO held FROM t.acquire(task);
    SELECT * INTO f FROM vibe.fail_step(held.run_id, held.token, outcome, 'it went wrong');
    RETURN (SELECT concat_ws(' ', w.state, w.waiting_for, w.attempts, t.status(task), r.outcome = $2, r.error)
              FROM vibe.work w, vibe.runs r WHERE w.task_id = task AND r.id = held.run_id);
END $$;
SELECT is(pg_temp.fail(t.task(:c, n::int), o.outcome), expected || ' t it went wrong', o.outcome)
  FROM (SELECT outcome, row_number() OVER (ORDER BY outcome) AS n, CASE
            WHEN then_step = 'waits_for_person' THEN 'waiting person ' || uses_attempt::int || ' blocked'
            WHEN then_step = 'retries' THEN 'waiting back_off ' || uses_attempt::int || ' backlog'
            WHEN then_step = 'retries_at_once' THEN 'ready ' || uses_attempt::int || ' backlog' END AS expected
          FROM vibe.outcomes WHERE outcome NOT IN ('done', 'revise', 'cancelled')) o;

SELECT * FROM finish();
ROLLBACK;
