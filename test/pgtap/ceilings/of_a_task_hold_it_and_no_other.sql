BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(4), 3) AS c \gset
SELECT t.task(:c) AS dear \gset
SELECT vibe.set_budget(:c, 1, per => 'task'), vibe.set_budget(:c, 0.4, per => 'run') \g /dev/null
UPDATE vibe.work SET priority = 0 WHERE task_id = :dear;
CREATE FUNCTION pg_temp.step(task bigint, cost numeric) RETURNS text LANGUAGE plpgsql AS $$
DECLARE run bigint := (SELECT * FROM t.claim(1));
BEGIN
    PERFORM t.finish(run, 'done', jsonb_build_object('usage', jsonb_build_object('cost_usd', cost)));
    RETURN (SELECT CASE task_id WHEN task THEN 'it' ELSE 'another' END FROM vibe.runs WHERE id = run);
END $$;
SELECT is(pg_temp.step(:dear, 0.4), 'it', 'first in line');
UPDATE vibe.work SET priority = 0 WHERE task_id = :dear;
SELECT is(pg_temp.step(:dear, 0.3), 'it', 'there is room for one more');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached' AND task_id = :dear), 1, 'then not: told');
UPDATE vibe.work SET priority = 0 WHERE task_id = :dear;
SELECT is(pg_temp.step(:dear, 0.1), 'another', 'others pass it');
SELECT is(code || ' ' || next_call, format('budget SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', :dear), 'why() tells') FROM vibe.why(:dear);
SELECT is(ceiling_usd, 1.5, 'a person adds to it') FROM vibe.approve_budget(task_id => :dear, usd => 0.5);
UPDATE vibe.work SET priority = 0 WHERE task_id = :dear;
SELECT is(pg_temp.step(:dear, 0.1), 'it', 'and it goes on');

SELECT * FROM finish();
ROLLBACK;
