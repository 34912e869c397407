BEGIN;
SELECT plan(6);

CREATE FUNCTION pg_temp.line(VARIADIC agents text[]) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('main_steps', jsonb_agg(jsonb_build_object('agent', a, 'label', a) ORDER BY n)) FROM unnest(agents) WITH ORDINALITY u(a, n) $$;
SELECT is(t.problems(pg_temp.line('vibe-content-reviewer', 'vibe-content-writer')), 'review_before_draft', 'a reviewer before any writer');
SELECT is(t.problems(pg_temp.line('vibe-humanizer', 'vibe-content-writer')), 'review_before_draft', 'a humanizer before any writer');
SELECT is(t.problems(pg_temp.line('vibe-content-reviewer', 'vibe-humanizer')), NULL, 'a line that works on finished texts has no writer');
SELECT is(t.problems(pg_temp.line('vibe-content-writer', 'vibe-content-reviewer', 'vibe-humanizer'), 'warning'), NULL, 'all three: no warning');
SELECT is(t.problems(pg_temp.line('vibe-content-writer'), 'warning'), 'no_humanizer no_reviewer', 'a writer alone');
SELECT is(t.problems(pg_temp.line('vibe-content-writer')), NULL, 'warnings are no errors');

SELECT * FROM finish();
ROLLBACK;
