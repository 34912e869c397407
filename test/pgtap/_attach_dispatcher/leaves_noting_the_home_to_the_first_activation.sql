BEGIN;
SELECT plan(4);

SELECT is(vibe._attach_dispatcher(), 'home', 'a database without a home is nobody else''s');
SELECT is_empty('SELECT * FROM vibe.home', 'but it may be in the middle of a restore: nothing is noted');
SELECT t.campaign('content-draft', 1);
SELECT results_eq('SELECT identity FROM vibe.home', 'SELECT vibe._home_identity()', 'the first activation notes the home');
UPDATE vibe.home SET identity = 'elsewhere';
SELECT is(vibe._attach_dispatcher(), 'foreign', 'what has its home elsewhere is a copy');

SELECT * FROM finish();
ROLLBACK;
