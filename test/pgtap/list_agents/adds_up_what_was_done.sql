-- What an agent has done is a sum that is kept: of every run once, whatever happens to it later.
BEGIN;
SELECT plan(13);

SELECT t.now('2030-01-01 12:00Z') \g /dev/null
CREATE FUNCTION pg_temp.done(agent text) RETURNS text LANGUAGE sql AS
    $$ SELECT concat_ws(' ', tasks_completed, average_quality) FROM vibe.get_agent(agent) $$;
SELECT t.campaign(t.pipeline(3, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('side', 1))), '{"3": {"agent": "agent-1"}}'), 2) AS c \gset
SELECT t.task(:c) AS one, t.task(:c, 2) AS two \gset

SELECT t.done(:one, score => 50), t.done(:one, branch => 'side', score => 1) \g /dev/null
SELECT is(pg_temp.done('agent-1') || ', ' || pg_temp.done('agent-9'), '1 50.0, 1 50.0', 'a branch has the score of the main line');
SELECT t.done(:one, score => 90) \g /dev/null
SELECT is(pg_temp.done('agent-1') || ', ' || pg_temp.done('agent-2'), '1 90.0, 1 90.0', 'a later score is of all who had a part in the task');
SELECT t.done(:one, score => 70) \g /dev/null
SELECT is(pg_temp.done('agent-1') || ', ' || pg_temp.done('agent-2'), '1 70.0, 1 70.0', 'a second step of one task counts no second time');
SELECT is(vibe._merge_usage(1000), 4::bigint, 'merged');
SELECT is(pg_temp.done('agent-1') || ', ' || pg_temp.done('agent-9'), '1 70.0, 1 70.0', 'no sum changes');
SELECT is((SELECT count(*) FROM vibe.agent_results), 3::bigint, 'one row of each agent');

-- A run that is done and whose process still lives counts; what it said is its share also where its end comes later.
SELECT run_id, token FROM t.acquire(:two) \gset
UPDATE vibe.runs SET started_by = 'dispatcher', renewed_at = NULL WHERE id = :run_id;
SELECT completed FROM vibe.complete_step(:two, 'agent-1', :'token', quality_score => 10) \g /dev/null
SELECT is(pg_temp.done('agent-1') || (SELECT ended_at IS NULL FROM vibe.runs WHERE id = :run_id), '2 40.0true', 'at once');
UPDATE vibe.runs SET ended_at = closed_at WHERE id = :run_id;
SELECT is(pg_temp.done('agent-1'), '2 40.0', 'and once');
SELECT t.done(:two, branch => 'side') \g /dev/null

SELECT count(*) FROM vibe.request_revision(:one, 'again', 2) \g /dev/null
SELECT is(concat_ws(', ', pg_temp.done('agent-1'), pg_temp.done('agent-2'), pg_temp.done('agent-9')), '2 30.0, 0, 2 30.0', 'a revision takes back what it replaced');
SELECT count(*) FROM vibe.request_revision(:two, 'again', branch => 'side') \g /dev/null
SELECT is(pg_temp.done('agent-9'), '1 50.0', 'also one of a branch');
SELECT count(*) FROM vibe.cancel_branch(:two, 'side') \g /dev/null
SELECT t.done(:one, score => 60), t.done(:one) \g /dev/null
SELECT is(concat_ws(', ', pg_temp.done('agent-1'), pg_temp.done('agent-2'), pg_temp.done('agent-9')), '2 35.0, 1 60.0, 1 60.0', 'and it is done again');

SELECT t.now('2030-01-03 12:00Z') \g /dev/null
SELECT vibe._fold_and_prune_runs('1 h') \g /dev/null
SELECT is_empty(format('SELECT id FROM vibe.runs WHERE task_id = %s', :one), 'the runs of a task are pruned');
SELECT count(*) FROM vibe.delete_task(:two) \g /dev/null
SELECT is(concat_ws(', ', pg_temp.done('agent-1'), pg_temp.done('agent-2'), pg_temp.done('agent-9')), '2 35.0, 1 60.0, 1 60.0', 'no sum changes');

SELECT * FROM finish();
ROLLBACK;
