BEGIN;
SELECT plan(4);

SELECT is(p.slug || '|' || p.name || '|' || p.root_path, 'acme|Acme Corp|/srv/acme', 'the row comes back')
  FROM vibe.create_project(slug => 'acme', name => 'Acme Corp', root_path => '/srv/acme') p;
SELECT throws_ok($$SELECT * FROM vibe.create_project(slug => 'acme', name => 'Other')$$, 'VB032', NULL, 'the slug is taken');
SELECT lives_ok($$SELECT * FROM vibe.create_project(slug => 'a', name => 'One letter is enough')$$);
SELECT is((SELECT count(*)::int FROM vibe.projects), 2, 'two projects');

SELECT * FROM finish();
ROLLBACK;
