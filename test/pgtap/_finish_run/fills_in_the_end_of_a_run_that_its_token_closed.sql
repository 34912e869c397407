BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT run_id, run ->> 'token' AS token FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT count(*) FROM vibe.complete_step(t.task(:c), 'agent-1', :'token', summary => 'by itself') \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe._live_runs(true)), 1, 'closed, alive');
SELECT is(accepted, true, 'its file is published') FROM t.finish(:run_id, 'failed', '{"exit_code": 3, "usage": {"cost_usd": 1}, "result": {"summary": "another"}}');
SELECT is((SELECT row(outcome, summary, exit_code, cost_usd, ended_at IS NOT NULL)::text FROM vibe.runs WHERE id = :run_id), '(done,"by itself",3,1.00000000,t)', 'only exit, usage and cost');
SELECT is(t.work(t.task(:c)), '2 ready', 'the task moved once');
SELECT is((SELECT count(*)::int FROM vibe._live_runs(true)), 0);

SELECT * FROM finish();
ROLLBACK;
