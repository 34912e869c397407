BEGIN;
SELECT plan(5);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT is(t.health('tasks to create'), 'ok: 0 of 0 campaigns');
SELECT count(*) FROM vibe.activate_campaign(:c, 2) \g /dev/null
SELECT is(t.health('tasks to create'), 'ok: 1 of 1 campaigns', 'the next sweep adds it');
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(t.health('tasks to create'), 'warn: 1 of 1 campaigns', 'none has for an hour');
SELECT is(next_step, format('SELECT * FROM vibe.activate_campaign(%s); or vibe.sweep() adds the next batch.', :c)) FROM vibe.health() WHERE check_name = 'tasks to create';
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT t.now('2030-01-01 15:00+00') \g /dev/null
SELECT is(t.health('tasks to create'), 'ok: 1 of 1 campaigns', 'it waits because somebody wants it to');

SELECT * FROM finish();
ROLLBACK;
