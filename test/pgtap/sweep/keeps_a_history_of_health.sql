BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT results_eq('SELECT ok, warn, fail FROM vibe.health_history', $$SELECT (count(*) FILTER (WHERE status = 'ok'))::integer,
    (count(*) FILTER (WHERE status = 'warn'))::integer, (count(*) FILTER (WHERE status = 'fail'))::integer FROM vibe.health()$$);
SELECT results_eq('SELECT key FROM vibe.health_history, jsonb_each(detail) ORDER BY 1', $$SELECT check_name FROM vibe.health() WHERE status <> 'ok' ORDER BY 1$$, 'with what is not ok');
SELECT t.now('2030-01-01 12:00:30+00') \g /dev/null
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT is((SELECT count(*) FROM vibe.health_history), 1::bigint, 'one a minute');
SELECT t.now('2030-01-31 11:59+00') \g /dev/null
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT is((SELECT count(*) FROM vibe.health_history), 2::bigint);
SELECT t.now('2030-01-31 12:01+00') \g /dev/null
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT set_eq('SELECT at FROM vibe.health_history', ARRAY['2030-01-31 11:59+00', '2030-01-31 12:01+00']::timestamptz[], 'and for 30 days');

SELECT * FROM finish();
ROLLBACK;
