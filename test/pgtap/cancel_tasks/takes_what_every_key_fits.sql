BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(2), 4) AS c, t.campaign(t.pipeline(1), 2) AS d \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.set_priority(t.task(:c, 2), 'low') \g /dev/null
SELECT run_id AS run FROM t.acquire(t.task(:c, 2)) \gset
SELECT is(row(x.tasks_cancelled, x.runs_stopped)::text, '(1,1)', 'priority within a campaign') FROM vibe.cancel_tasks(jsonb_build_object('campaign_id', :c, 'priority', 'low'), 'no more') x;
SELECT is(t.outcome(:run), 'cancelled', 'what ran is stopped');
SELECT is((SELECT detail ->> 'reason' FROM vibe.activities WHERE kind = 'task_cancelled' AND task_id = t.task(:c, 2)), 'no more', 'each is told in the feed');
SELECT is(tasks_cancelled, 1::bigint, 'an agent within a project') FROM vibe.cancel_tasks(jsonb_build_object('project_id', :p, 'agent_name', 'agent-2'));
SELECT is(t.status(t.task(:c)), 'cancelled', 'the one whose next step is its own');
SELECT is(tasks_cancelled, 1::bigint, 'ids, of which those that are open and fit') FROM vibe.cancel_tasks(jsonb_build_object('campaign_id', :c, 'task_ids', jsonb_build_array(t.task(:c, 2), t.task(:c, 3)::text, t.task(:d), 0)));
SELECT is(row(x.tasks_cancelled, x.campaigns_completed)::text, '(3,2)', 'a status everywhere, and the campaigns that end') FROM vibe.cancel_tasks('{"status": "backlog"}') x;
SELECT is(row(x.tasks_cancelled, x.campaigns_completed)::text, '(0,0)', 'a second call finds nothing') FROM vibe.cancel_tasks('{"status": "backlog"}') x;

SELECT * FROM finish();
ROLLBACK;
