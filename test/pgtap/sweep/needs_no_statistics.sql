-- Ten thousand tasks of which the statistics say that none is open: a sweep after a big activation. What it reads is
-- counted in buffers: a handful for each task that it looks at.
BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.finish(run, 'done') FROM t.claim(1) run \g /dev/null
ANALYZE vibe.tasks;
SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 10000) AS c \gset
ANALYZE vibe.work;
CREATE FUNCTION pg_temp.buffers(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
END
$$;
SELECT cmp_ok(pg_temp.buffers('SELECT * FROM vibe.sweep()'), '<', 60000::bigint, 'the sweep');
SELECT cmp_ok(pg_temp.buffers('SELECT * FROM vibe.stuck'), '<', 60000::bigint, 'stuck, which looks at the same tasks');

SELECT * FROM finish();
ROLLBACK;
