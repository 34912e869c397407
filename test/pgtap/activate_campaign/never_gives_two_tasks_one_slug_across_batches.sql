BEGIN;
SELECT plan(1);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'Plan', pipeline_slug => 'content-draft', target_article_count => 1, seed_keywords => '{a,A}') \gset
SELECT tasks_created FROM vibe.activate_campaign(:c) \gset
SELECT tasks_created FROM vibe.generate_tasks(:c, 1) \gset
SELECT is((SELECT string_agg(slug, ' ' ORDER BY number) FROM vibe.tasks WHERE campaign_id = :c), 'a a--2', 'the second batch knows the first');

SELECT * FROM finish();
ROLLBACK;
