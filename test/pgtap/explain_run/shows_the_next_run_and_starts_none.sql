BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(2, steps => '{"1": {"timeout": "7 min", "gate": "human"}}')) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.everything() AS before \gset
SELECT is(row(e.step, e.agent, e.runner, e.argv, e.limits ->> 'timeout')::text, '(1,agent-1,default,{/bin/true},420)', 'its step, runner and limits') FROM vibe.explain_run(:task) e;
SELECT is(t.everything(), :'before', 'nothing was written');
SELECT t.claim() AS run \gset
SELECT is(e.step, 1, 'while it runs, that run') FROM vibe.explain_run(:task) e;
SELECT is(accepted, true) FROM t.finish(:run);
SELECT is(e.step, 1, 'at its gate, the step that was done') FROM vibe.explain_run(:task) e;
SELECT throws_ok('SELECT * FROM vibe.explain_run(-1)', 'VB003', NULL, 'no such task');
SELECT throws_ok(format('SELECT * FROM vibe.explain_run(%s, %L)', :task, 'nowhere'), 'VB007', NULL, 'no such branch');

SELECT * FROM finish();
ROLLBACK;
