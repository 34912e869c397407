BEGIN;
SELECT plan(17);

SELECT throws_ok(format('SELECT * FROM vibe.register_skill(%L, %L, %L)', 's', 'S', path), 'VB030', NULL, 'path ' || coalesce(left(path, 20), 'NULL'))
  FROM unnest(ARRAY[NULL, '', '../x', 'a/../b', './a', '/a/.', E'a\nb', '~/x', '-x', repeat('x', 1001)]) path;
SELECT throws_ok(format('SELECT * FROM vibe.register_skill(%L, %L, %L)', slug, 'S', 'p'), 'VB030', NULL, 'slug ' || coalesce(slug, 'NULL'))
  FROM unnest(ARRAY[NULL, '', 'A b', '../x']) slug;
SELECT throws_ok($$SELECT * FROM vibe.register_skill('s', ' ', 'p')$$, 'VB030', NULL, 'a blank name');
SELECT throws_ok($$SELECT * FROM vibe.register_skill('s', path => 'p')$$, 'VB030', NULL, 'a new one without a name');
SELECT throws_ok($$SELECT * FROM vibe.register_skill('s', 'S', 'p', kind => 'a b')$$, 'VB030', NULL, 'a kind');

SELECT * FROM finish();
ROLLBACK;
