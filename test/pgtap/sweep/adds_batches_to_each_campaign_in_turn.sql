BEGIN;
SELECT plan(6);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 9000) \gset
SELECT id AS d FROM vibe.create_campaign(:project, 'd', 'D', pipeline_slug => :'pipeline', target_article_count => 150) \gset
SELECT count(*) FROM vibe.activate_campaign(:c, 1) \g /dev/null
SELECT count(*) FROM vibe.activate_campaign(:d, 1) \g /dev/null
UPDATE vibe.campaigns SET batch_size = 3000 WHERE id = :c;

SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT is(tasks_created, 6001::bigint, 'batches until there are 5000') FROM vibe.sweep();
SELECT is((SELECT string_agg(tasks_to_create::text, ' ' ORDER BY id) FROM vibe.campaigns WHERE id IN (:c, :d)), '2999 148', 'one for each campaign first');
SELECT t.now('2030-01-01 12:02+00') \g /dev/null
SELECT is(tasks_created, 3098::bigint, 'or 100 batches') FROM vibe.sweep();
SELECT is((SELECT string_agg(coalesce(tasks_to_create, 0) || ' ' || coalesce(batch_size, 0), ', ' ORDER BY id) FROM vibe.campaigns WHERE id IN (:c, :d)), '0 0, 49 1');
SELECT is(tasks_created, 49::bigint) FROM vibe.sweep();
SELECT is((SELECT string_agg(n::text, ' ' ORDER BY n) FROM (SELECT count(DISTINCT number) AS n FROM vibe.tasks WHERE campaign_id IN (:c, :d) GROUP BY campaign_id) x), '150 9000', 'all, once');

SELECT * FROM finish();
ROLLBACK;
