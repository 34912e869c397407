BEGIN;
SELECT plan(15);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2), 15) AS c \gset
SELECT t.done(x.id) FROM vibe.tasks x WHERE campaign_id = :c \g /dev/null
SELECT count(*) FROM t.claim(15) \g /dev/null
CREATE FUNCTION pg_temp.finish(n bigint, outcome text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE item vibe.work;
BEGIN
    SELECT w.* INTO item FROM vibe.work w JOIN vibe.tasks x ON x.id = w.task_id WHERE x.number = n;
    PERFORM t.finish(item.run_id, outcome, '{"error": "why", "result": {"notes": "better"}}');
    RETURN (SELECT concat_ws(' ', t.status(item.task_id), t.work(item.task_id), (SELECT attempts FROM vibe.work WHERE task_id = item.task_id), t.outcome(item.run_id) = $2));
END $$;
SELECT is(pg_temp.finish(n, outcome), expected || ' t', outcome)
  FROM (SELECT outcome, row_number() OVER (ORDER BY outcome) AS n, CASE
            WHEN outcome = 'done' THEN 'completed'
            WHEN outcome = 'revise' THEN 'revision_needed 1 ready 0'
            WHEN then_step = 'waits_for_person' THEN 'blocked 2 waiting person ' || uses_attempt::int
            WHEN then_step = 'retries' THEN 'backlog 2 waiting back_off ' || uses_attempt::int
            WHEN then_step = 'retries_at_once' THEN 'backlog 2 ready ' || uses_attempt::int END AS expected
          FROM vibe.outcomes) o;

SELECT * FROM finish();
ROLLBACK;
