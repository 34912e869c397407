BEGIN;
SELECT plan(15);

SELECT t.campaign(t.pipeline(1), 3) AS c \gset
SELECT t.task(:c, 2) AS task \gset
SELECT throws_ok(format('UPDATE vibe.tasks SET slug = %L WHERE id = %s', slug, :task), '23514', NULL, format('not "%s"', left(translate(slug, E'\n', '|'), 20)))
  FROM unnest(ARRAY['', '-a', 'A', 'a/b', '..', 'a.b', 'é', E'a\n', E'a\nb', repeat('a', 101), 'task-3', 'task-02']) slug;
SELECT lives_ok(format('UPDATE vibe.tasks SET slug = %L WHERE id = %s', slug, :task), format('but "%s"', left(translate(slug, E'\n', '|'), 20)))
  FROM unnest(ARRAY['task-2', repeat('a', 100)]) slug;
UPDATE vibe.tasks SET slug = 'same' WHERE id = :task;
SELECT throws_ok(format('UPDATE vibe.tasks SET slug = %L WHERE id = %s', 'same', t.task(:c, 3)), '23505', NULL, 'and no two alike');

SELECT * FROM finish();
ROLLBACK;
