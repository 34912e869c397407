BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1), 4) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT run_id AS hand FROM t.acquire(t.task(:c, 2)) \gset
SELECT t.claim() AS dispatched \gset
SELECT is(row(x.status, x.tasks_cancelled, x.runs_stopped)::text, '(cancelled,3,2)') FROM vibe.cancel_campaign(:c, 'no money') x;
SELECT is((SELECT string_agg(status, ' ' ORDER BY number) FROM vibe.tasks WHERE campaign_id = :c), 'completed cancelled cancelled cancelled');
SELECT is_empty('SELECT * FROM vibe.work', 'no work is left');
SELECT is((SELECT string_agg(outcome || error, ' ') FROM vibe.runs WHERE id IN (:hand, :dispatched)), 'cancelledno money cancelledno money', 'runs are closed');
SELECT is(row(x.status, x.tasks_cancelled, x.runs_stopped)::text, '(cancelled,0,0)', 'a second call does nothing') FROM vibe.cancel_campaign(:c) x;
SELECT is(accepted, false, 'a late result changes nothing') FROM t.finish(:dispatched);
SELECT throws_ok('SELECT * FROM vibe.cancel_campaign(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
