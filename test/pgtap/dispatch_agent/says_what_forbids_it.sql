BEGIN;
SELECT plan(11);

SELECT t.pipeline(3, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1))), '{"1": {"gate": "human"}}') AS p \gset
SELECT t.campaign(:'p') AS c \gset
SELECT t.task(:c) AS task \gset
CREATE FUNCTION pg_temp.refused(task bigint, branch text, code char(5), why text) RETURNS text LANGUAGE sql
    AS $$ SELECT throws_ok(format('SELECT * FROM vibe.dispatch_agent(%s, %L)', task, branch), code, NULL, why) $$;
SELECT pg_temp.refused(-1, '', 'VB003', 'no such task');
SELECT pg_temp.refused(:task, 'a', 'VB007', 'a branch that is not open');
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB021', 'a paused campaign');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
UPDATE vibe.agents SET paused_at = vibe.clock() WHERE name = 'agent-1';
SELECT pg_temp.refused(:task, '', 'VB034', 'a paused agent');
UPDATE vibe.agents SET paused_at = NULL WHERE name = 'agent-1';
SELECT t.claim() AS run \gset
SELECT pg_temp.refused(:task, '', 'VB010', 'a step that is being done');
SELECT count(*) FROM vibe.cancel_run(:run) \g /dev/null
SELECT count(*) FROM vibe.retry_step(:task) \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB010', 'a process that still has to end');
SELECT t.finish(:run, 'cancelled') \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked') FROM t.acquire(:task) a \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB020', 'a step that waits for a person');
SELECT count(*) FROM vibe.retry_step(:task) \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB020', 'a gate');
SELECT count(*) FROM vibe.approve_step(:task) \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB020', 'a step that waits for branches');
SELECT is(agent_name, 'agent-9', 'the branch itself may go') FROM vibe.dispatch_agent(:task, 'a');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT pg_temp.refused(:task, '', 'VB007', 'a task that has ended');

SELECT * FROM finish();
ROLLBACK;
