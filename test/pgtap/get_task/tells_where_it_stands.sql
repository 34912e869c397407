BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0))))) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT run_id AS run FROM t.acquire(:task) \gset
SELECT is(row(step, step_label, agent_name, state, waiting_for, open_branch_count, run_id)::text, '(1,"Step 1",agent-1,held,,1,' || :run || ')', 'while a run holds it') FROM vibe.get_task(:task);
SELECT count(*) FROM vibe.cancel_run(:run) \g /dev/null
SELECT is(row(status, state, waiting_for)::text, '(blocked,waiting,person)', 'while it waits') FROM vibe.get_task(:task);
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT is(row(status, step, state)::text, '(cancelled,,)', 'once it has ended') FROM vibe.get_task(:task);
SELECT is_empty('SELECT * FROM vibe.get_task(-1)', 'none');

SELECT * FROM finish();
ROLLBACK;
