BEGIN;
SELECT plan(2);

CREATE FUNCTION pg_temp.said(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text; detail text; hint text;
BEGIN
    EXECUTE call;
EXCEPTION WHEN SQLSTATE 'VB030' THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN said || detail || hint;
END $$;
SELECT unalike(pg_temp.said($$SELECT vibe.register_service('a', 'email', env_var => 'sk-abcdefghijklmnop')$$), '%abcdefgh%', 'in env_var');
SELECT unalike(pg_temp.said($$SELECT vibe.register_service('a', 'email', config => '{"password": "abcdefgh"}')$$), '%abcdefgh%', 'in config');

SELECT * FROM finish();
ROLLBACK;
