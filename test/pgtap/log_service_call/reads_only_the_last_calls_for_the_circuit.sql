BEGIN;
SELECT plan(1);

-- Twenty thousand calls of others and of its own, all in its index: a handful of pages, not all.
SELECT vibe.register_service('a', 'email') \g /dev/null
INSERT INTO vibe.service_calls (at, service_name, status) SELECT now(), CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END, 'failed' FROM generate_series(1, 20000) n;
ANALYZE vibe.service_calls;
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || query INTO plan;
    RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END $$;
SELECT cmp_ok(pg_temp.buffers($$SELECT * FROM vibe._service_health('a')$$), '<', 20::bigint, 'buffers read');

SELECT * FROM finish();
ROLLBACK;
