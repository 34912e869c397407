BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(2), 1) AS c \gset
SELECT run_id, run ->> 'token' AS token FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT count(*) FROM vibe.complete_step(t.task(:c), 'agent-1', :'token') \g /dev/null
SELECT is(t.work(t.task(:c)), '2 ready', 'it completed its step and talks on');
SELECT is_empty('SELECT t.claim(9)');
SELECT t.finish(:run_id) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(9)), 1, 'until its end is recorded');

SELECT * FROM finish();
ROLLBACK;
