-- The reference of schema vibe in Markdown, made of the comments on its objects. Names that begin
-- with an underscore are internal and left out.

SELECT '### Functions' || E'\n';

-- the types of defaults say nothing that the arguments do not
SELECT format('- **`%s(%s)`** → `%s`', p.proname,
              regexp_replace(replace(pg_get_function_arguments(p.oid), 'timestamp with time zone', 'timestamptz'),
                             '::[a-z ]+(\[\])?', '', 'g'),
              replace(pg_get_function_result(p.oid), 'timestamp with time zone', 'timestamptz'))
       || E'\n  ' || coalesce(obj_description(p.oid, 'pg_proc'), '')
  FROM pg_proc AS p
 WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname NOT LIKE '\_%'
 ORDER BY p.proname;

SELECT E'\n### Views\n';

SELECT format('- **`%s`** (%s)', c.relname,
              (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
       || E'\n  ' || coalesce(obj_description(c.oid, 'pg_class'), '')
  FROM pg_class AS c
 WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE '\_%'
 ORDER BY c.relname;

SELECT E'\n### Tables\n';

SELECT format('- **`%s`**: %s', c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''))
  FROM pg_class AS c
 WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'p')
 ORDER BY c.relname;
