BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.claim() AS run \gset
CREATE FUNCTION t.fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = current_setting('t.fault'), MESSAGE = 'not the record''s fault'; END $$;
CREATE TRIGGER fault BEFORE UPDATE ON vibe.tasks FOR EACH ROW EXECUTE FUNCTION t.fault();
SELECT throws_ok(format($$SELECT set_config('t.fault', %L, true), t.finish(%s)$$, code, :'run'), code, NULL, 'the dispatcher tries again later')
  FROM unnest(ARRAY['55P03', '40P01', '53100']) code;

SELECT * FROM finish();
ROLLBACK;
