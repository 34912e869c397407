-- plpgsql reads its body in the caller's session: a backslash in '...' means what standard_conforming_strings says.
BEGIN;
SELECT plan(2);

CREATE VIEW pg_temp.literals AS
    SELECT p.oid::regprocedure AS function, m[1] AS before, m[2] AS literal
      FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
           regexp_matches(regexp_replace(p.prosrc, '--[^\n]*', '', 'g'), $$(.?)'([^']*)'$$, 'g') m
     WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'plpgsql';
SELECT cmp_ok((SELECT count(*) FROM pg_temp.literals), '>', 500::bigint, 'literals were read');
SELECT is_empty($$SELECT function, literal FROM pg_temp.literals WHERE literal ~ '\\' AND before NOT IN ('E', 'e')$$, 'one with a backslash is E''...''');

SELECT * FROM finish();
ROLLBACK;
