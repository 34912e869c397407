BEGIN;
SELECT plan(7);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 350) \gset
SELECT count(*) FROM vibe.activate_campaign(:c, 1) \g /dev/null
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(tasks_created, 0::bigint, 'a sweep leaves it alone') FROM vibe.sweep();
SELECT is((SELECT tasks_to_create FROM vibe.get_campaign(:c)), 349, 'which still has them to create');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
SELECT is(tasks_created, 100::bigint, 'resumed, it gets them') FROM vibe.sweep();
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(row(a.*)::text, format('(%s,active,200,49)', :c), 'activated, it is resumed and gets a batch') FROM vibe.activate_campaign(:c, 200) a;
SELECT is(tasks_created, 49::bigint) FROM vibe.sweep();
SELECT is(tasks_created, 0::bigint) FROM vibe.sweep();
SELECT is((SELECT count(*) || ' ' || max(number) FROM vibe.tasks WHERE campaign_id = :c), '350 350', 'all are there, once');

SELECT * FROM finish();
ROLLBACK;
