BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_project('one', 'One') \gset
SELECT is(slug, 'one', 'by id') FROM vibe.get_project(:p);
SELECT is(id, :p::bigint, 'by slug') FROM vibe.get_project_by_slug('one');
SELECT is_empty('SELECT * FROM vibe.get_project(-1)', 'none by id');
SELECT is_empty($$SELECT * FROM vibe.get_project_by_slug('none')$$, 'none by slug');

SELECT * FROM finish();
ROLLBACK;
