BEGIN;
SELECT plan(2);

SELECT is_empty($$SELECT pg_describe_object(d.classid, d.objid, d.objsubid)
      FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass, LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
     WHERE d.deptype = 'e' AND e.extname = 'vibe_orchestrator' AND i.schema IS DISTINCT FROM 'vibe' AND NOT (i.type = 'schema' AND i.name = 'vibe')
       AND NOT (i.type IN ('trigger', 'rule', 'table constraint') AND i.identity LIKE '% on vibe.%')$$, 'of the extension''s objects');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v', 'S')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))$$, 'and nothing else is in it');

SELECT * FROM finish();
ROLLBACK;
