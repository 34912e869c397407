BEGIN;
SELECT plan(6);

CREATE TABLE t.runner (name text, executable boolean, problem text, prefix text);
CREATE OR REPLACE FUNCTION vibe.runners() RETURNS TABLE (name text, kind text, program text, executable boolean, prefix text, max_parallel integer,
        provider text, fallback text, problem text, found boolean, os_user text, fallback_model text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM t.runner) THEN
        RAISE EXCEPTION USING ERRCODE = 'VB041', DETAIL = 'line 7 is nonsense';
    END IF;
    RETURN QUERY SELECT r.name, 'plain', '/bin/' || r.name, r.executable, r.prefix, 1, NULL::text, NULL::text, r.problem, true, 'agents', NULL::text FROM t.runner r;
END
$$;
SELECT is(t.health('runner file'), 'fail: line 7 is nonsense');
INSERT INTO t.runner VALUES ('good', true, NULL), ('missing', false, NULL), ('bad', true, 'its key file is open to all');
SELECT is(t.health('runner good'), 'ok: /bin/good');
SELECT is(t.health('runner missing'), 'fail: /bin/missing is not an executable file');
SELECT is(t.health('runner bad'), 'fail: its key file is open to all');
SELECT is(t.health('runner default'), NULL, 'agents without work do not matter');
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT matches(t.health('runner default'), '^fail: agents that work has been given to name it \(agent-1\)');

SELECT * FROM finish();
ROLLBACK;
