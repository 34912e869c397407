BEGIN;
SELECT plan(9);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 5) AS c, t.campaign(t.pipeline(2), 1) AS d \gset
CREATE FUNCTION pg_temp.fail(task bigint, branch text, outcome text) RETURNS text LANGUAGE sql
    AS $$ SELECT f.waiting_for FROM t.acquire(task, branch) a, vibe.fail_step(a.run_id, a.token, fail.outcome, retry_after => '1 day') f $$;
CREATE FUNCTION pg_temp.retried(filter jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', t.number, nullif(r.branch, ''), r.agent_name, r.task_status), ', ' ORDER BY r.ordinality)
      FROM vibe.retry_steps(filter) WITH ORDINALITY r JOIN vibe.tasks t ON t.id = r.task_id $$;
CREATE FUNCTION pg_temp.park() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(pg_temp.fail(w.task_id, w.branch, CASE WHEN w.branch = 'a' THEN 'auth' WHEN t.number = 1 THEN 'blocked' ELSE 'rate_limited' END))
      FROM vibe.work w JOIN vibe.tasks t ON t.id = w.task_id WHERE w.state = 'ready' AND t.number <= 2 $$;
SELECT pg_temp.park() \g /dev/null
SELECT is(pg_temp.retried(jsonb_build_object('campaign_id', :c)), '1 agent-1 backlog, 1 a agent-9 backlog, 2 agent-1 backlog, 2 a agent-9 backlog', 'of one campaign, in order');
SELECT is(t.work(t.task(:d)), '1 waiting person', 'and not of another');
SELECT is((SELECT string_agg(state, ' ') FROM vibe.work WHERE campaign_id = :c AND state <> 'ready'), NULL, 'all are ready');
SELECT pg_temp.park() \g /dev/null
SELECT is(pg_temp.retried('{"agent_name": "agent-9", "waiting_for": "person", "note": "new key"}'), '1 a agent-9 blocked, 2 a agent-9 backlog', 'of one agent');
SELECT is((SELECT DISTINCT note FROM vibe.work WHERE branch = 'a' AND state = 'ready' AND note IS NOT NULL), 'new key', 'with a note');
SELECT is(pg_temp.retried('{"outcome": "rate_limited"}'), '2 agent-1 backlog', 'by how the last run ended');
SELECT is(pg_temp.retried(jsonb_build_object('task_ids', jsonb_build_array(t.task(:d), t.task(:c, 3)))), '1 agent-1 backlog', 'of some tasks; those that are not parked are left alone');
SELECT is(pg_temp.retried(jsonb_build_object('project_id', (SELECT project_id FROM vibe.campaigns WHERE id = :c), 'waiting_for', 'back_off')), NULL, 'all keys have to match');
SELECT is(pg_temp.retried('{"waiting_for": "person"}'), '1 agent-1 backlog', 'what is left');

SELECT * FROM finish();
ROLLBACK;
