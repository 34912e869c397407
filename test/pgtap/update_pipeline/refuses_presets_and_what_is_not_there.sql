BEGIN;
SELECT plan(6);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT throws_ok('SELECT * FROM vibe.update_pipeline(1, t.definition(1))', 'VB036', NULL, 'a preset');
SELECT throws_ok('SELECT * FROM vibe.update_pipeline(0, t.definition(1))', 'VB005', NULL, 'no pipeline');
SELECT throws_ok(format('SELECT * FROM vibe.update_pipeline(%s)', :p), 'VB030', NULL, 'nothing to change');
SELECT throws_ok(format($$SELECT * FROM vibe.update_pipeline(%s, '{}')$$, :p), 'VB031', NULL, 'an invalid definition');
DO $$ DECLARE said text;
BEGIN PERFORM vibe.update_pipeline(2, t.definition(1)); EXCEPTION WHEN SQLSTATE 'VB036' THEN GET STACKED DIAGNOSTICS said = PG_EXCEPTION_HINT; PERFORM set_config('t.hint', said, true); END $$;
SELECT matches(current_setting('t.hint'), 'fork_pipeline\(id => 2,', 'the hint names the way');
SELECT is(version, 1, 'nothing was changed') FROM vibe.get_pipeline(:p);

SELECT * FROM finish();
ROLLBACK;
