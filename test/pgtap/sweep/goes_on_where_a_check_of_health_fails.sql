BEGIN;
SELECT plan(2);

CREATE OR REPLACE FUNCTION vibe._health_versions() RETURNS SETOF vibe.health_info LANGUAGE plpgsql AS $$BEGIN PERFORM 1 / 0; END$$;
SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
DELETE FROM vibe.work;
SET LOCAL client_min_messages = error;
SELECT is(orphans_dispatched, 1::bigint) FROM vibe.sweep();
SELECT is(t.work(:task), '1 ready');

SELECT * FROM finish();
ROLLBACK;
