BEGIN;
SELECT plan(4);

SELECT (vibe.create_project('p', 'P')).id AS p \gset
SELECT id AS c FROM vibe.create_campaign(:p, 'c', 'Plan', pipeline_slug => t.pipeline(1), target_article_count => 3000,
    seed_keywords => ARRAY(SELECT 'Topic ' || n % 700 FROM generate_series(1, 2000) n)) \gset
SELECT count(*) FROM vibe.activate_campaign(:c) \g /dev/null
SELECT is_empty(format('SELECT * FROM (SELECT number, row_number() OVER (ORDER BY id) AS nth FROM vibe.tasks WHERE campaign_id = %s) n WHERE number <> nth', :c),
    'numbers ascend with ids');
SELECT is((SELECT count(*)::int FROM vibe.tasks WHERE campaign_id = :c AND keyword = 'Topic ' || number % 700 AND title = keyword
    AND keyword_number = number), 2000, 'topics come in their order');
SELECT is((SELECT count(*)::int FROM vibe.tasks WHERE campaign_id = :c AND keyword IS NULL AND title = 'Plan #' || number
    AND slug = 'task-' || number), 1000, 'and the rest after them');
SELECT is((SELECT string_agg(slug, ' ' ORDER BY number) FROM vibe.tasks WHERE campaign_id = :c AND number IN (1, 700, 701, 1401, 2000)),
    'topic-1 topic-0 topic-1--701 topic-1--1401 topic-600--2000', 'a topic that comes again is told apart');

SELECT * FROM finish();
ROLLBACK;
