BEGIN;
SELECT plan(11);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1)))))) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, branch => %L)', :task, 'x', 'a'), 'VB020', NULL, 'one that has made nothing yet cannot be');
SELECT t.done(:task), t.done(:task), t.done(:task, 'a') \g /dev/null
SELECT is(t.work(:task), '3 ready');
SELECT is(row(r.*)::text, '(0,agent-9,1,backlog)', 'counted; the main line stays where it is') FROM vibe.request_revision(:task, 'A dog, please.', branch => 'a') r;
SELECT is(t.work(:task, 'a') || ', ' || t.work(:task), '0 ready, 3 waiting branches', 'what has not begun waits for it');
SELECT is_empty(format('SELECT 1 FROM jsonb_array_elements(vibe._inputs(%s, %L, 3)) i WHERE i ->> %L = %L', :task, '', 'branch', 'a'), 'what it had made is superseded');
SELECT is((SELECT rejection_notes FROM vibe.tasks WHERE id = :task), NULL, 'the notes are not the main line''s');
SELECT run FROM vibe._claim_runs('{default}', '{9}', 9) \gset
SELECT is(:'run'::jsonb ->> 'revision_notes', 'A dog, please.', 'but reach its next run');
SELECT matches(:'run'::jsonb ->> 'prompt', 'Notes of the last revision: A dog, please.', 'and its prompt');
SELECT t.finish((:'run'::jsonb ->> 'run_id')::bigint) \g /dev/null
SELECT is(t.work(:task), '3 ready', 'then it converges');
SELECT is(run ->> 'revision_notes', NULL, 'without notes') FROM vibe._claim_runs('{default}', '{9}', 9);
SELECT is(status, 'backlog', 'a running step is left alone') FROM vibe.request_revision(:task, 'A cat, please.', branch => 'a'), vibe.tasks WHERE id = :task;

SELECT * FROM finish();
ROLLBACK;
