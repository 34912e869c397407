BEGIN;
SELECT plan(1);

SELECT t.campaign(t.pipeline(2), 120) AS c \gset
CREATE FUNCTION pg_temp.go_on(steps integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM vibe.claim_runs(ARRAY(SELECT name FROM vibe.agents), steps) r, vibe.complete_step(r.task_id, r.agent_name, r.lock_token)
$$;
CREATE FUNCTION pg_temp.fetched() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_stat_get_xact_tuples_fetched(i.indexrelid) + pg_stat_get_xact_tuples_returned(i.indexrelid))
      FROM pg_index i WHERE i.indrelid = 'vibe.runs'::regclass
$$;
-- As on the first day, after the first round of autovacuum.
ANALYZE vibe.runs;
SELECT pg_temp.go_on(1) \g /dev/null
SELECT pg_temp.go_on(100) \g /dev/null
SELECT r.* FROM vibe.claim_runs(ARRAY(SELECT name FROM vibe.agents), 1) r \gset
SELECT pg_temp.fetched() AS before \gset
SELECT vibe.complete_step(:task_id, :'agent_name', :'lock_token') \g /dev/null
SELECT cmp_ok(pg_temp.fetched() - :before, '<', 50::bigint, 'one of a hundred runs is found by its key');

SELECT * FROM finish();
ROLLBACK;
