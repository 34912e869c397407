BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT id AS task FROM vibe.create_task(:p, 'First', :c, idempotency_key => 'k') \gset
SELECT is(row(id, title)::text, format('(%s,First)', :'task'), 'whatever else is said') FROM vibe.create_task(:p, 'Second', pipeline_slug => 'content-draft', idempotency_key => 'k');
SELECT is((SELECT count(*)::int FROM vibe.tasks WHERE project_id = :p), 2, 'nothing is created');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'task_created'), 1, 'or told');
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT is(id, :task::bigint, 'also when its campaign has ended') FROM vibe.create_task(:p, 'Third', :c, idempotency_key => 'k');
SELECT isnt(x.id, :task::bigint, 'another project has keys of its own') FROM vibe.create_project('other', 'O') o, vibe.create_task(o.id, 'Fourth', pipeline_slug => 'content-draft', idempotency_key => 'k') x;
SELECT is((SELECT count(DISTINCT x.id)::int FROM generate_series(1, 2) n, vibe.create_task(:p, 'No key ' || n % 1, pipeline_slug => 'content-draft') x), 2, 'without a key each call creates one');

SELECT * FROM finish();
ROLLBACK;
