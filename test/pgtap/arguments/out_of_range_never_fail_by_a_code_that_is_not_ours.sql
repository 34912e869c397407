-- Every number and interval that a public function takes, at its extremes, with everything else as it should be: the
-- call works or raises a code of class VB. An overflow inside would be another.
BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(2), 2) AS campaign \gset
SELECT t.task(:campaign) AS task \gset
SELECT run_id AS run, token FROM t.acquire(:task) \gset

CREATE TABLE pg_temp.right_value (argument text PRIMARY KEY, value text);
INSERT INTO pg_temp.right_value VALUES ('id', :'campaign'), ('campaign_id', :'campaign'), ('task_id', :'task'), ('run_id', :'run'),
    ('lock_token', :'token'), ('agent_name', 'agent-1'), ('notes', 'again'), ('slug', 'slug'), ('name', 'name'),
    ('pipeline_slug', 'content-draft'), ('project_id', (SELECT project_id::text FROM vibe.tasks WHERE id = :task));
CREATE TABLE pg_temp.extreme (type regtype, value text);
INSERT INTO pg_temp.extreme
    SELECT 'integer'::regtype, unnest(ARRAY['-2147483648', '-1', '0', '2147483647'])
    UNION ALL SELECT 'bigint', unnest(ARRAY['-9223372036854775808', '-1', '0', '9223372036854775807'])
    UNION ALL SELECT 'smallint', unnest(ARRAY['-32768', '-1', '0', '32767'])
    UNION ALL SELECT 'numeric', unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-1', '0', '1e-400', '1e400'])
    UNION ALL SELECT 'interval', unnest(ARRAY['0', '-1 second', '178000000 years', '-178000000 years', '2147483647 days', '-2147483648 months']);

-- Each call of a function with one argument at an extreme; what has a default and no row above is left out.
CREATE TEMP VIEW call AS
    SELECT p.proname, x.name, x.value, format('SELECT * FROM vibe.%I(%s)', p.proname, string_agg(
               format('%I => %L::%s', a.name, CASE WHEN a.nth = x.nth THEN x.value ELSE coalesce(r.value, CASE WHEN a.type = 'text'::regtype THEN 'x' END) END, a.type), ', '
               ORDER BY a.nth)) AS sql
      FROM pg_proc p,
           LATERAL (SELECT n.name, n.nth, e.value FROM unnest(p.proargnames, p.proargtypes::regtype[]) WITH ORDINALITY n(name, type, nth) JOIN pg_temp.extreme e ON e.type = n.type
                     WHERE n.nth <= p.pronargs) x,
           LATERAL unnest(p.proargnames, p.proargtypes::regtype[]) WITH ORDINALITY a(name, type, nth)
           LEFT JOIN pg_temp.right_value r ON r.argument = a.name
     WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname NOT LIKE '\_%' AND p.prokind = 'f' AND a.nth <= p.pronargs
       AND (a.nth = x.nth OR r.argument IS NOT NULL OR a.nth <= p.pronargs - p.pronargdefaults)
     GROUP BY p.oid, p.proname, x.nth, x.name, x.value;

-- Its code, '' where it works; it leaves nothing behind.
CREATE FUNCTION pg_temp.code(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RAISE EXCEPTION USING ERRCODE = 'XDONE';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'XDONE' THEN '' ELSE SQLSTATE || ' ' || SQLERRM END;
END
$$;
CREATE TABLE pg_temp.result AS
    SELECT c.*, pg_temp.code(c.sql) AS code FROM pg_temp.call c;
SELECT cmp_ok((SELECT count(*) FROM pg_temp.result), '>', 100::bigint, 'extremes were tried');
SELECT is_empty('SELECT sql, code FROM pg_temp.result WHERE code !~ ''^(VB|$)''', 'each works or has a code of ours');
SELECT is_empty('SELECT sql FROM pg_temp.result WHERE code = '''' AND value ~* ''nan|infinity''', 'no number that is none is taken');

SELECT * FROM finish();
ROLLBACK;
