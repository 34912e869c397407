BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0)))), 2) AS c \gset
SELECT run_id AS run FROM t.acquire(t.task(:c)) \gset
SELECT is(row(status, step, state)::text, '(completed,,)', 'completed') FROM vibe.set_task_status(t.task(:c), 'completed', 'good enough');
SELECT is(t.outcome(:run), 'cancelled', 'what ran is stopped');
SELECT is_empty(format('SELECT * FROM vibe.work WHERE task_id = %s', t.task(:c)), 'no work is left');
SELECT ok(ended_at IS NOT NULL, 'it has ended') FROM vibe.get_task(t.task(:c));
SELECT is(t.campaign_status(:c), 'active', 'the campaign has another task');
SELECT is(status, 'cancelled', 'cancelled') FROM vibe.set_task_status(t.task(:c, 2), 'cancelled', 'off topic');
SELECT is((SELECT detail ->> 'reason' FROM vibe.activities WHERE kind = 'task_cancelled'), 'off topic', 'as cancel_task() does');
SELECT is(t.campaign_status(:c), 'completed', 'the last one ends the campaign');

SELECT * FROM finish();
ROLLBACK;
