BEGIN;
SELECT plan(1);

SELECT is(row(f.*)::text, '(f,)') FROM vibe._finish_run(-1, '{"outcome": "done"}') f;

SELECT * FROM finish();
ROLLBACK;
