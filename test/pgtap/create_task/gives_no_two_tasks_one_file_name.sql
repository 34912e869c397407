BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1)) AS c, t.pipeline(1) AS pipeline \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT results_eq(format('SELECT x.slug FROM unnest(ARRAY[%L, %L, %L, %L]) WITH ORDINALITY u(title, n), LATERAL vibe.create_task(%s, u.title, %s) x ORDER BY n', 'Same', 'same!', 'Task 1', '???', :'p', :'c'),
    ARRAY['same', 'same--3', 'task-1--4', 'task-5'], 'within a campaign');
SELECT results_eq(format('SELECT x.slug FROM unnest(ARRAY[%L, %L]) u(title), LATERAL vibe.create_task(%s, u.title, pipeline_slug => %L) x', 'Same', 'same!', :'p', :'pipeline'),
    ARRAY['same', 'same--2'], 'within a project, where there is none');
SELECT is(x.slug, 'same', 'another project may have it') FROM vibe.create_project('other', 'O') o, vibe.create_task(o.id, 'Same', pipeline_slug => :'pipeline') x;

SELECT * FROM finish();
ROLLBACK;
