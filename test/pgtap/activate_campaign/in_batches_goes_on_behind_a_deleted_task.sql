BEGIN;
SELECT plan(2);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'Plan', pipeline_slug => 'content-draft', target_article_count => 4, seed_keywords => '{a,b,c}') \gset
SELECT count(*) FROM vibe.activate_campaign(:c, 2) \g /dev/null
SELECT count(*) FROM vibe.delete_task((SELECT id FROM vibe.tasks WHERE campaign_id = :c AND slug = 'b')) \g /dev/null
SELECT is(tasks_created, 2::bigint) FROM vibe.activate_campaign(:c);
SELECT is((SELECT string_agg(number || ' ' || slug, ', ' ORDER BY id) FROM vibe.tasks WHERE campaign_id = :c), '1 a, 3 c, 4 task-4', 'its topic does not come back');

SELECT * FROM finish();
ROLLBACK;
