BEGIN;
SELECT plan(4);

SELECT is(s.kind || s.path, 'skillskills/seo', 'a new one') FROM vibe.register_skill('seo', 'SEO', 'skills/seo', description => 'd') s;
SELECT is(row(name, path, kind, description)::text, '(SEO,/srv/seo,reference,d)', 'other fields stay') FROM vibe.register_skill('seo', path => '/srv/seo', kind => 'reference');
SELECT is(description, NULL, 'an empty description clears it') FROM vibe.register_skill('seo', description => '');
SELECT is((SELECT count(*)::int FROM vibe.skills), 1, 'one skill');

SELECT * FROM finish();
ROLLBACK;
