BEGIN;
SELECT plan(6);

SELECT id AS f, kind, forked_from, name, version FROM vibe.fork_pipeline(3, 'mine', 'Mine') \gset
SELECT is(:'kind' || :'forked_from' || :'name' || :'version', 'fork3Mine1', 'it says where it comes from');
SELECT is((SELECT definition FROM vibe.get_pipeline(:f)), (SELECT definition FROM vibe.get_pipeline(3)), 'the same definition');
SELECT is(version, 2, 'and it can be changed') FROM vibe.update_pipeline(:f, t.definition(1));
SELECT is(name || main_steps, 'Mine2', 'a fork of it has its current version, and its name') FROM vibe.fork_pipeline(:f, 'again');
SELECT throws_ok($$SELECT * FROM vibe.fork_pipeline(3, 'mine')$$, 'VB032', NULL, 'a slug that is taken');
SELECT throws_ok($$SELECT * FROM vibe.fork_pipeline(0, 'x')$$, 'VB005', NULL, 'no pipeline');

SELECT * FROM finish();
ROLLBACK;
