BEGIN;
SELECT plan(3);

SELECT matches(t.health('versions'), '^ok: ');
CREATE OR REPLACE FUNCTION vibe._library_version() RETURNS text LANGUAGE sql STABLE AS $$ SELECT '0.0.9' $$;
SELECT matches(t.health('versions'), '^fail: library 0\.0\.9, extension ');
SELECT matches(h.next_step, 'ALTER EXTENSION vibe_orchestrator UPDATE') FROM vibe.health() h WHERE h.check_name = 'versions';

SELECT * FROM finish();
ROLLBACK;
