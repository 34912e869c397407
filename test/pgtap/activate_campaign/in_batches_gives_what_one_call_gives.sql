BEGIN;
SELECT plan(8);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS whole FROM vibe.create_campaign(:project, 'whole', 'Plan', pipeline_slug => 'content-draft', target_article_count => 8, seed_keywords => '{Soil,roses,soil,Task-2,!,Roses}') \gset
SELECT id AS parts FROM vibe.create_campaign(:project, 'parts', 'Plan', pipeline_slug => 'content-draft', target_article_count => 8, seed_keywords => '{Soil,roses,soil,Task-2,!,Roses}') \gset
SELECT count(*) FROM vibe.activate_campaign(:whole) \g /dev/null
SELECT is(row(a.*)::text, format('(%s,active,3,5)', :parts), 'the first batch') FROM vibe.activate_campaign(:parts, batch_size => 3) a;
SELECT is((SELECT string_agg(slug, ' ' ORDER BY number) FROM vibe.tasks WHERE campaign_id = :parts), 'soil roses soil--3', 'begins in front');
SELECT is(row(a.*)::text, format('(%s,active,3,2)', :parts), 'a second call adds the next one') FROM vibe.activate_campaign(:parts) a;
SELECT is(row(a.*)::text, format('(%s,active,1,1)', :parts), 'of another size where that is asked for') FROM vibe.activate_campaign(:parts, 1) a;
SELECT is(row(a.*)::text, format('(%s,active,1,0)', :parts), 'the last one') FROM vibe.activate_campaign(:parts, 100) a;
SELECT is(row(a.*)::text, format('(%s,active,0,0)', :parts), 'and no more') FROM vibe.activate_campaign(:parts, 100) a;
SELECT results_eq(
    format('SELECT number, title, slug, keyword, keyword_number, step, status FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'parts'),
    format('SELECT number, title, slug, keyword, keyword_number, step, status FROM vibe.tasks WHERE campaign_id = %s ORDER BY id', :'whole'),
    'are the same tasks in the same order');
SELECT is((SELECT string_agg(kind || detail, ' ' ORDER BY id) FROM vibe.activities WHERE campaign_id = :parts),
    'campaign_activated{"tasks_created": 3, "tasks_to_create": 5} tasks_generated{"tasks_created": 3, "tasks_to_create": 2} tasks_generated{"tasks_created": 1, "tasks_to_create": 1} tasks_generated{"tasks_created": 1}',
    'and each batch a line of history');

SELECT * FROM finish();
ROLLBACK;
