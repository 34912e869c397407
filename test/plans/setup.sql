-- The database of the plan tests: on top of what the benches make, history and open work of every kind in any amount,
-- and a meter for what a call costs.

CREATE SCHEMA plans;

-- Ended tasks with their runs, activities, notifications, deliveries and service calls; tasks in paused campaigns;
-- tasks that wait for a person, for an approval, and for a long back-off. So many thousands of each, and no other open task.
CREATE PROCEDURE plans.fill(thousands integer) LANGUAGE plpgsql AS $$
DECLARE
    first bigint := (SELECT coalesce(max(c.id), 0) FROM vibe.campaigns c);
BEGIN
    SET LOCAL session_replication_role = replica;
    PERFORM bench.fill(thousands, 700, 2, true);
    INSERT INTO vibe.activities (at, kind, actor, project_id, campaign_id, task_id, message)
    SELECT now(), 'task_blocked', 'bench', 1, r.campaign_id, r.task_id, 'It was blocked.' FROM vibe.runs r WHERE r.campaign_id > first;
    WITH told AS (
        INSERT INTO vibe.notifications (at, kind, project_id, campaign_id, task_id, message, in_app, read_at)
        SELECT now(), 'task_completed', 1, r.campaign_id, r.task_id, 'It was completed.', true, now() FROM vibe.runs r WHERE r.campaign_id > first AND r.id % 2 = 0
        RETURNING id)
    INSERT INTO vibe.deliveries (notification_id, channel, state, attempts, sent_at) SELECT id, 'telegram', 'sent', 1, now() FROM told;
    INSERT INTO vibe.service_calls (at, service_name, status, campaign_id, agent_name)
    SELECT now(), 'images', 'success', r.campaign_id, 'agent-1' FROM vibe.runs r WHERE r.campaign_id > first AND r.id % 2 = 0;
    PERFORM bench.fill(thousands, 300, 2, false);
    UPDATE vibe.campaigns c SET status = 'paused', paused_from = 'active' WHERE c.id > first AND c.ended_at IS NULL;
    UPDATE vibe.campaigns c SET status = 'active', paused_from = NULL WHERE c.id > first AND c.ended_at IS NULL AND c.id % 3 > 0;
    UPDATE vibe.work w SET state = 'waiting', waiting_for = CASE w.task_id % 3 WHEN 0 THEN 'person' WHEN 1 THEN 'approval' ELSE 'back_off' END,
           ready_at = CASE w.task_id % 3 WHEN 2 THEN 'infinity'::timestamptz END
      FROM vibe.campaigns c WHERE c.id = w.campaign_id AND c.id > first AND c.status = 'active';
    SET LOCAL session_replication_role = origin;
END
$$;

-- What may grow without end. A scan of fewer rows than this is none: a LIMIT may stop it, and the planner may like it.
CREATE FUNCTION plans.rows_scanned() RETURNS TABLE (name text, n bigint) LANGUAGE sql AS $$
    SELECT c.relname, pg_stat_get_xact_tuples_returned(c.oid)
      FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r'
       AND c.relname IN ('tasks', 'work', 'runs', 'activities', 'notifications', 'deliveries', 'service_calls', 'usage_entries', 'usage_totals', 'health_history')
$$;

-- Runs a statement and takes it back; the second time counts, when plans and the catalogue are at hand. The buffers
-- of the statements inside functions are among those of the statement, and so are the rows that they scan.
CREATE FUNCTION plans.measure(statement text, OUT buffers bigint, OUT ms numeric, OUT scans text) LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
    before jsonb;
BEGIN
    FOR turn IN 1 .. 2 LOOP
        BEGIN
            before := (SELECT jsonb_object_agg(s.name, s.n) FROM plans.rows_scanned() s);
            EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || statement INTO plan;
            buffers := (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
            ms := (plan #>> '{0,Execution Time}')::numeric;
            scans := (SELECT string_agg(format('%s (%s rows)', s.name, s.n - (before ->> s.name)::bigint), ', ' ORDER BY s.name) FROM plans.rows_scanned() s
                       WHERE s.n - (before ->> s.name)::bigint > 2000);
            RAISE EXCEPTION USING ERRCODE = 'PL000';
        EXCEPTION WHEN SQLSTATE 'PL000' THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE TABLE plans.calls (n integer GENERATED ALWAYS AS IDENTITY, name text PRIMARY KEY, statement text NOT NULL, grows_with text);
CREATE TABLE plans.measured (size text NOT NULL, name text NOT NULL, buffers bigint NOT NULL, ms numeric NOT NULL, scans text, PRIMARY KEY (name, size));

CREATE PROCEDURE plans.measure_all(size text) LANGUAGE plpgsql AS $$
DECLARE
    call plans.calls;
BEGIN
    FOR call IN SELECT * FROM plans.calls ORDER BY n LOOP
        INSERT INTO plans.measured SELECT measure_all.size, call.name, m.buffers, round(m.ms, 2), m.scans FROM plans.measure(call.statement) m;
        COMMIT;
    END LOOP;
END
$$;
