BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c \gset
CREATE FUNCTION t.hint(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text;
BEGIN
    EXECUTE call;
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'VB030' THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_HINT;
    RETURN said;
END
$$;
SELECT matches(t.hint(format($$SELECT * FROM vibe.update_campaign(%s, '{"status": "completed"}')$$, :'c')), 'name, description, .*backlog_agent', 'a forbidden one');
SELECT matches(t.hint(format($$SELECT * FROM vibe.update_campaign(%s, '{"title": "x"}')$$, :'c')), 'name, description, .*backlog_agent', 'an unknown one');

SELECT * FROM finish();
ROLLBACK;
