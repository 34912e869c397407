BEGIN;
SELECT plan(3);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.task(t.campaign(t.pipeline(1, '{}', '{"1": {"max_attempts": 100}}'))) AS task \gset
CREATE FUNCTION pg_temp.fail_and_wait(task bigint) RETURNS interval LANGUAGE plpgsql AS $$
DECLARE held record; waits interval;
BEGIN
    SELECT * INTO held FROM t.acquire(task);
    SELECT f.ready_at - vibe.clock() INTO waits FROM vibe.fail_step(held.run_id, held.token) f;
    PERFORM t.now((vibe.clock() + waits)::text);
    RETURN waits;
END $$;
CREATE TEMP TABLE waits AS SELECT n, pg_temp.fail_and_wait(:task) AS waited FROM generate_series(1, 30) n;
SELECT is_empty($$SELECT * FROM waits WHERE waited < '0' OR waited > least('6 min'::interval, '10 s'::interval * 2 ^ (n - 1))$$, 'never more than base * 2^(n-1), nor than retry_max');
SELECT cmp_ok((SELECT count(DISTINCT waited)::int FROM waits), '>', 20, 'at random within that');
SELECT cmp_ok((SELECT max(waited) FROM waits), '>', '1 min'::interval, 'and it does grow');

SELECT * FROM finish();
ROLLBACK;
