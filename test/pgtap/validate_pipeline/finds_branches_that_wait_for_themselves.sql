BEGIN;
SELECT plan(6);

CREATE FUNCTION pg_temp.branches(a jsonb, b jsonb, c jsonb) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT t.definition(2, jsonb_build_object('parallel_branches', jsonb_build_array(
        t.branch('a', 1, jsonb_build_object('trigger_after_step', a)), t.branch('b', 1, jsonb_build_object('trigger_after_step', b)), t.branch('c', 1, jsonb_build_object('trigger_after_step', c))))) $$;
SELECT is(t.problems(pg_temp.branches('1', '1', '2')), NULL, 'none');
SELECT is(t.problems(pg_temp.branches('"a"', '1', '1')), 'self_reference', 'itself');
SELECT is(t.problems(pg_temp.branches('"b"', '"a"', '1')), 'cycle', 'each other');
SELECT is(t.problems(pg_temp.branches('"b"', '"c"', '"a"')), 'cycle', 'in a ring of three');
SELECT is(t.problems(pg_temp.branches('"b"', '1', '1')), 'unknown_trigger', 'a branch triggers no branch');
SELECT is(t.problems(pg_temp.branches('"b"', '"c"', '"b"')), 'cycle unknown_trigger', 'the one that leads into a ring is not in it');

SELECT * FROM finish();
ROLLBACK;
