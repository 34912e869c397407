BEGIN;
SELECT plan(7);

CREATE TABLE t.dispatcher (state text, problem text, library boolean DEFAULT true);
CREATE OR REPLACE FUNCTION vibe.dispatcher_status() RETURNS TABLE (database text, pid integer, state text, problem text, running integer, wakeups bigint, started_at timestamptz)
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM t.dispatcher d WHERE NOT d.library) THEN
        RAISE EXCEPTION USING ERRCODE = 'VB050';
    END IF;
    RETURN QUERY SELECT current_database()::text, 7, d.state, d.problem, 3, 0::bigint, now() FROM t.dispatcher d;
END
$$;
SELECT is(t.health('dispatcher'), 'fail: none serves this database');
SELECT is(h.next_step, format('Add %s to vibe_orchestrator.databases; SELECT pg_reload_conf();', current_database())) FROM vibe.health() h WHERE h.check_name = 'dispatcher';
INSERT INTO t.dispatcher VALUES ('running');
SELECT is(t.health('dispatcher'), 'ok: pid 7, watches 3 runs');
UPDATE t.dispatcher SET state = 'starting';
SELECT is(t.health('dispatcher'), 'warn: starting');
UPDATE t.dispatcher SET state = 'blocked', problem = 'no run directory';
SELECT is(t.health('dispatcher'), 'fail: blocked: no run directory');
UPDATE t.dispatcher SET state = 'foreign';
SELECT is(t.health('dispatcher'), 'fail: this is a copy, its home is elsewhere');
UPDATE t.dispatcher SET library = false;
SELECT is(t.health('dispatcher'), 'fail: the library is not preloaded');

SELECT * FROM finish();
ROLLBACK;
