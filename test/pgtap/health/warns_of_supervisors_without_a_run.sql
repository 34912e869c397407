BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1)) AS c, t.claim() AS run \gset
SELECT t.claim() AS run \gset
CREATE OR REPLACE FUNCTION vibe._live_shims() RETURNS TABLE (run_id bigint, pid integer) LANGUAGE sql STABLE AS $$ SELECT r.id, 7 FROM vibe.runs r $$;
SELECT is(t.health('stray supervisors'), 'ok: 0', 'one that works');
SELECT t.finish(:run) \g /dev/null
SELECT is(t.health('stray supervisors'), 'warn: 1', 'one whose run has ended');

SELECT * FROM finish();
ROLLBACK;
