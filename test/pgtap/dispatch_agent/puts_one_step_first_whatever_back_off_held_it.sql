BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(2), 3) AS c \gset
SELECT t.task(:c, 3) AS task \gset
SELECT count(*) FROM vibe.tasks WHERE campaign_id = :c AND number = 1 \g /dev/null
UPDATE vibe.tasks SET priority = 'urgent' WHERE id = t.task(:c, 1);
UPDATE vibe.work SET priority = 0 WHERE task_id = t.task(:c, 1);
SELECT vibe.fail_step(a.run_id, a.token, 'rate_limited', retry_after => '1 day') FROM t.acquire(:task) a \g /dev/null
SELECT is(row(d.*)::text, '(1,agent-1,t)', 'its back-off ends') FROM vibe.dispatch_agent(:task) d;
SELECT is(task_id, :task::bigint, 'it is the head of the queue') FROM vibe.list_ready_tasks(max_rows => 1);
SELECT t.claim() AS run \gset
SELECT is(r.task_id, :task::bigint, 'and of the claim') FROM vibe.runs r WHERE id = :run;
SELECT t.finish(id) FROM vibe.runs WHERE task_id = :task AND ended_at IS NULL \g /dev/null
SELECT is(t.work(:task) || ' ' || (SELECT priority FROM vibe.work WHERE task_id = :task), '2 ready 2', 'its next step has the task''s own priority');
SELECT is(row(d.*)::text, '(2,agent-2,f)', 'a step that is ready goes first as well') FROM vibe.dispatch_agent(:task) d;
SELECT is(t.work(:task) || ' ' || (SELECT priority FROM vibe.work WHERE task_id = :task), '2 ready -1');
SELECT is(vibe.get_task_pipeline_status(:task) ->> 'priority', 'medium', 'what people see is the task''s priority');

SELECT * FROM finish();
ROLLBACK;
