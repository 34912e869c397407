BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2), 3) AS c \gset
SELECT run_id AS hand FROM t.acquire(t.task(:c)) \gset
SELECT t.claim() AS dispatched \gset
SELECT is(runs_stopped, 2::bigint) FROM vibe.pause_campaign(:c, stop_running => true);
SELECT is(t.outcome(:hand) || ' ' || t.outcome(:dispatched), 'cancelled cancelled', 'both are closed');
SELECT is((SELECT string_agg(DISTINCT state || attempts, ' ') FROM vibe.work), 'ready0', 'their steps are ready, no attempt used');
SELECT is((SELECT array_agg(run_id) FROM vibe._live_runs(true)), ARRAY[:dispatched]::bigint[], 'the dispatcher is told to end the process');
SELECT is(accepted, false, 'whose result comes too late') FROM t.finish(:dispatched);

SELECT * FROM finish();
ROLLBACK;
