BEGIN;
SELECT plan(5);

SELECT vibe.set_daily_budget(1, agent_name => 'agent-1'), vibe.set_run_budget(0.6, 'agent-1') \g /dev/null
SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT t.claim(1) AS run \gset
SELECT is((SELECT reserved_usd FROM vibe.runs WHERE id = :run), 0.6, 'a heartbeat reserves as any run of its agent');
SELECT t.finish(:run, 'done', '{"usage": {"cost_usd": 0.5}}') \g /dev/null
SELECT is((SELECT sum(cost_usd) FROM vibe.usage WHERE agent_name = 'agent-1'), 0.5, 'its cost is counted');
SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(1)), 0, 'and the ceiling of the day has no room for another');
UPDATE vibe.runs SET claimed_at = now() - interval '9 days', ended_at = now() - interval '9 days', closed_at = now() - interval '9 days' WHERE id = :run;
SELECT is(vibe._fold_and_prune_runs('7 days'), 1::bigint, 'its run is pruned when it is old');
SELECT is((SELECT sum(cost_usd) FROM vibe.usage WHERE agent_name = 'agent-1'), 0.5, 'and the sum stays');

SELECT * FROM finish();
ROLLBACK;
