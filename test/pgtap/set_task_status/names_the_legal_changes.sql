BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
CREATE FUNCTION t.detail(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text;
BEGIN
    EXECUTE call;
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'VB020' THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
    RETURN said;
END
$$;
SELECT count(*) FROM vibe.set_task_status(t.task(:c), 'completed') \g /dev/null
SELECT is(t.detail(format($$SELECT * FROM vibe.set_task_status(%s, 'drafted')$$, t.task(:c))), 'From "completed" a task may go to: blocked, revision_needed.', 'of a completed task');
SELECT is(status, 'completed', 'the status it has is no change') FROM vibe.set_task_status(t.task(:c), 'completed');
SELECT is(status, 'drafted', 'a legal one is done') FROM vibe.set_task_status(t.task(:c, 2), 'drafted');
SELECT is(t.work(t.task(:c, 2)), '1 ready', 'and moves nothing in the pipeline');
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'asleep')$$, t.task(:c)), 'VB030', NULL, 'no such status');
SELECT throws_ok($$SELECT * FROM vibe.set_task_status(-1, 'drafted')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
