BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1), 2600) AS c \gset
UPDATE pg_class SET reltuples = 5000 WHERE oid = 'vibe.tasks_open_by_id_idx'::regclass;
DELETE FROM vibe.work WHERE task_id IN (t.task(:c, 1), t.task(:c, 2501));
SELECT is(orphans_dispatched, 1::bigint, 'at least 2500') FROM vibe.sweep();
SELECT is((SELECT looked_up_to FROM vibe.sweep_state), t.task(:c, 2500));
SELECT is(orphans_dispatched, 1::bigint, 'then those behind') FROM vibe.sweep();
SELECT is((SELECT looked_up_to FROM vibe.sweep_state), 0::bigint, 'then anew');
UPDATE pg_class SET reltuples = 10400 WHERE oid = 'vibe.tasks_open_by_id_idx'::regclass;
SELECT is(w.next, t.task(:c, 2600), 'of more, a quarter') FROM vibe._next_window(0) w;
SELECT is(row(w.*)::text, '(9223372036854775807,0)') FROM vibe._next_window(t.task(:c, 1)) w;

SELECT * FROM finish();
ROLLBACK;
