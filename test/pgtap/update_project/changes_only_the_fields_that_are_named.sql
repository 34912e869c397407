BEGIN;
SELECT plan(5);

SELECT id AS p FROM vibe.create_project('p', 'P', 'first', '/srv/p') \gset
SELECT is(row(name, description, root_path)::text, '(Q,first,/srv/p)', 'the name') FROM vibe.update_project(:p, '{"name": "Q"}');
SELECT is(row(name, description, root_path)::text, '(Q,,)', 'null clears') FROM vibe.update_project(:p, '{"description": null, "root_path": null}');
SELECT is(row(name, slug)::text, '(Q,p)', 'no field changes nothing') FROM vibe.update_project(:p, '{}');
SELECT is((SELECT name FROM vibe.projects WHERE id = :p), 'Q', 'it is stored');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'project_updated' AND project_id = :p), 3, 'and told');

SELECT * FROM finish();
ROLLBACK;
