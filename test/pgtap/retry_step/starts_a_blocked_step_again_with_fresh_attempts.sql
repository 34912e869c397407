BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "research"}, "2": {"max_attempts": 1}}')) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token) FROM t.acquire(:task) a \g /dev/null
SELECT is(t.status(:task), 'blocked');
SELECT is(r.step || ' ' || r.agent_name || ' ' || r.task_status, '2 agent-2 researched', 'back to what its finished steps stand for') FROM vibe.retry_step(:task, note => 'mind the gap') r;
SELECT is(t.work(:task), '2 ready');
SELECT is((SELECT attempts::int + retries FROM vibe.work WHERE task_id = :task), 0, 'fresh counts');
SELECT run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'run'::jsonb ->> 'note', 'mind the gap', 'the note reaches the run');
SELECT matches(:'run'::jsonb ->> 'prompt', 'Note for this run: mind the gap', 'and its prompt');

SELECT * FROM finish();
ROLLBACK;
