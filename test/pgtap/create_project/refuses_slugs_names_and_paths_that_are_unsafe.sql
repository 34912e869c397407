BEGIN;
SELECT plan(13);

SELECT throws_ok(format('SELECT * FROM vibe.create_project(slug => %L, name => %L)', slug, 'x'), 'VB030', NULL, 'slug ' || coalesce(slug, 'NULL'))
  FROM unnest(ARRAY['', 'A', '-a', '../x', 'a b', 'ä', NULL, repeat('a', 101)]) slug;
SELECT throws_ok($$SELECT * FROM vibe.create_project(slug => 'a', name => '  ')$$, 'VB030', NULL, 'a blank name');
SELECT throws_ok(format('SELECT * FROM vibe.create_project(slug => %L, name => %L, root_path => %L)', 'a', 'x', path), 'VB030', NULL, 'path ' || path)
  FROM unnest(ARRAY['srv', '/srv/../etc', '/srv/./x', E'/srv/\nx']) path;

SELECT * FROM finish();
ROLLBACK;
