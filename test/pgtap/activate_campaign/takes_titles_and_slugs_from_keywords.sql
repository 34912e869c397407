BEGIN;
SELECT plan(2);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'Plan', pipeline_slug => 'content-draft', target_article_count => 9,
    seed_keywords => ARRAY[' How to X? ', 'how to x?', 'How-to-X', '猫', 'Task 9', repeat('y', 2000), '$(id) `x` "; touch /tmp/x; #']) \gset
SELECT tasks_created FROM vibe.activate_campaign(:c) \gset
SELECT results_eq(format('SELECT number, left(title, 40), slug FROM vibe.tasks WHERE campaign_id = %s ORDER BY number', :'c'),
    $$VALUES (1, 'How to X?', 'how-to-x'), (2, 'how to x?', 'how-to-x--2'), (3, 'How-to-X', 'how-to-x--3'), (4, '猫', 'task-4'), (5, 'Task 9', 'task-9--5'),
             (6, repeat('y', 40), repeat('y', 80)), (7, '$(id) `x` "; touch /tmp/x; #', 'id-x-touch-tmp-x'), (8, 'Plan #8', 'task-8'), (9, 'Plan #9', 'task-9')$$,
    'keyword titles, safe slugs');
SELECT is((SELECT count(DISTINCT slug)::int FROM vibe.tasks WHERE campaign_id = :c), 9, 'no two tasks write the same file');

SELECT * FROM finish();
ROLLBACK;
