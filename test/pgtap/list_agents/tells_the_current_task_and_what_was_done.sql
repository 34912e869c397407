BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2), 2) AS c \gset
SELECT t.task(:c) AS one, t.task(:c, 2) AS two \gset
SELECT t.done(:one), t.done(:one, score => 80), t.done(:two) \g /dev/null
SELECT run_id FROM t.acquire(:two) \gset
SELECT is(tasks_completed || '|' || average_quality || '|' || open_runs, '2|80.0|0', 'two tasks, one has a score') FROM vibe.get_agent('agent-1');
SELECT is(tasks_completed || '|' || open_runs || '|' || current_task_id || '|' || current_task, format('1|1|%s|Test #2', :two), 'one done, one at work') FROM vibe.get_agent('agent-2');
SELECT is(last_active_at, (SELECT claimed_at FROM vibe.runs WHERE id = :run_id), 'last active') FROM vibe.get_agent('agent-2');
SELECT count(*) FROM vibe.request_revision(:one, 'again', 1) \g /dev/null
SELECT is(tasks_completed || '|' || coalesce(average_quality::text, '-'), '1|-', 'what a revision replaced is not done') FROM vibe.get_agent('agent-1');
SELECT t.claim() AS run \gset
SELECT count(*) FROM vibe.cancel_run(:run) \g /dev/null
SELECT is(status || open_runs, 'blocked0', 'a run that is being stopped is not open') FROM vibe.get_agent('agent-1');
SELECT is(row(tasks_completed, average_quality, last_active_at, current_task)::text, '(0,,,)', 'one that never ran') FROM vibe.get_agent('agent-7');

SELECT * FROM finish();
ROLLBACK;
