BEGIN;
SELECT plan(7);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT array_agg(r) AS runs FROM t.claim(1) r \gset
SELECT run_id AS hand FROM t.acquire(t.task(:c, 2)) \gset
SELECT is(dispatched_runs_lost, 0::bigint, 'the first sweep notes that there is none') FROM vibe.sweep();
SELECT t.now('2030-01-01 12:02:09+00') \g /dev/null
SELECT is(dispatched_runs_lost, 0::bigint, 'within orphan_grace and 10 s it may come back') FROM vibe.sweep();
SELECT t.now('2030-01-01 12:02:11+00') \g /dev/null
SELECT is(dispatched_runs_lost, 1::bigint, 'after that its runs are lost') FROM vibe.sweep();
SELECT is(row(r.outcome, r.ended_at = r.closed_at)::text, '(lost,t)') FROM vibe.runs r WHERE id = ANY (:'runs'::bigint[]);
SELECT is(t.work(t.task(:c)) || (SELECT attempts FROM vibe.work WHERE task_id = t.task(:c)), '1 ready0', 'their steps are ready, no attempt used');
SELECT is(t.outcome(:hand), NULL, 'hand-held runs are none of its');
SELECT is(dispatched_runs_lost, 0::bigint, 'nothing is left') FROM vibe.sweep();

SELECT * FROM finish();
ROLLBACK;
