BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT run_id, token FROM t.acquire(t.task(:c)) \gset
SELECT is(row(s.*)::text, '(t,,,completed,t)', 'the task is completed') FROM vibe.complete_step(t.task(:c), 'agent-1', :'token') s;
SELECT is(t.campaign_status(:c), 'active', 'the campaign waits for the other task');
SELECT is(t.work(t.task(:c)), NULL, 'no work is left');
SELECT ok(ended_at IS NOT NULL AND step IS NULL, 'the task has ended') FROM vibe.tasks WHERE id = t.task(:c);
SELECT is(t.done(t.task(:c, 2)), 'completed');
SELECT is(t.campaign_status(:c), 'completed', 'the last task completes the campaign');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'campaign_completed' AND campaign_id = :c), 1, 'once');

SELECT * FROM finish();
ROLLBACK;
