BEGIN;
SELECT plan(10);

SELECT t.pipeline(4, jsonb_build_object('convergence_step', 4, 'parallel_branches', jsonb_build_array(t.branch('check', 2)))) AS p \gset
SELECT t.campaign(:'p', 2) AS c \gset
SELECT t.task(:c) AS task, t.task(:c, 2) AS other \gset
SELECT t.done(:task), t.done(:task), t.done(:other), t.done(:other) \g /dev/null
SELECT run_id AS run, token FROM t.acquire(:task, 'check') \gset
SELECT run_id AS main FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, 3, %L, %L, %L)', :task, 'x', 'check', 'agent-9', :'token'), 'VB007', NULL, 'not to a step behind its trigger');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, 2, %L, %L, %L)', :task, 'x', '', 'agent-9', :'token'), 'VB011', NULL, 'its token is the branch''s');
SELECT is(row(r.*)::text, '(1,agent-1,1,revision_needed)', 'to any step up to it') FROM vibe.request_revision(:task, 'wrong topic', 1, 'check', 'agent-9', :'token') r;
SELECT is((SELECT string_agg(branch || step || ' ' || state, ', ') FROM vibe.work WHERE task_id = :task), '1 ready', 'the main line is there, the branch gone');
SELECT is(t.outcome(:run) || ' ' || t.outcome(:main), 'revise cancelled', 'what ran on the main line was stopped');
SELECT t.done(:task), t.done(:task) \g /dev/null
SELECT is(t.work(:task, 'check'), '0 ready', 'and it checks again');
-- The same by an exit record.
SELECT t.claim(9) \g /dev/null
SELECT run_id AS dispatched FROM vibe.work WHERE task_id = :other AND branch = 'check' \gset
SELECT t.finish(:dispatched, 'revise', '{"result": {"notes": "too long"}}') \g /dev/null
SELECT is(t.outcome(:dispatched), 'revise', 'by an exit record');
SELECT is(t.work(:other), '2 ready', 'the nearest step is the trigger');
SELECT is(rejection_notes, 'too long') FROM vibe.tasks WHERE id = :other;
SELECT is(t.work(:other, 'check'), NULL);

SELECT * FROM finish();
ROLLBACK;
