BEGIN;
SELECT plan(11);

-- Stands in for the verb, so that what it was asked can be seen.
CREATE TABLE t.asked (name text, note text);
CREATE OR REPLACE FUNCTION vibe.request_heartbeat(name text, note text DEFAULT NULL) RETURNS TABLE (requested boolean) LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$ WITH asked AS (INSERT INTO t.asked SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM t.asked a WHERE a.name = $1) RETURNING 1) SELECT count(*) > 0 FROM asked $$;
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2), 4) AS c, t.campaign(t.pipeline(2), 2) AS other, t.campaign(t.pipeline(2), 1) AS none \gset
UPDATE vibe.campaigns SET backlog_threshold = 3 WHERE id IN (:c, :other);
UPDATE vibe.campaigns SET backlog_agent = 'agent-7' WHERE id = :other;
SELECT is(backlog_requests, 1::bigint, 'the one that has fewer than its threshold') FROM vibe.sweep();
SELECT is((SELECT name FROM t.asked), 'agent-7', 'its own agent is asked');
SELECT is(backlog_requests, 0::bigint, 'once') FROM vibe.sweep();
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(backlog_requests, 0::bigint, 'three are left that nobody has begun') FROM vibe.sweep();
SELECT run_id FROM t.acquire(t.task(:c, 2)) \g /dev/null
SELECT is(row(backlog_requests, notifications_queued)::text, '(1,1)', 'two') FROM vibe.sweep();
SELECT matches(note, '^Campaign "Test" has 2 tasks that nobody has begun, fewer than 3\. .*its id is ' || :c || '\.$') FROM t.asked WHERE name = 'vibe-keyword-researcher';
SELECT set_eq($$SELECT campaign_id FROM vibe.notifications WHERE kind = 'backlog_low'$$, ARRAY[:c, :other]::bigint[], 'people are told');
SELECT t.now('2030-01-02 12:01+00') \g /dev/null
SELECT is(row(backlog_requests, notifications_queued)::text, '(0,2)', 'a day later they are told again, while the agents still have the request') FROM vibe.sweep();
TRUNCATE t.asked;
SELECT is(row(backlog_requests, notifications_queued)::text, '(2,0)', 'and are asked as soon as they have room') FROM vibe.sweep();
TRUNCATE t.asked;
UPDATE vibe.home SET identity = 'elsewhere';
SELECT t.now('2030-01-04 12:01+00') \g /dev/null
SELECT is(row(backlog_requests, notifications_queued)::text, '(0,0)', 'a copy asks nobody') FROM vibe.sweep();
SELECT is_empty('SELECT * FROM t.asked');

SELECT * FROM finish();
ROLLBACK;
