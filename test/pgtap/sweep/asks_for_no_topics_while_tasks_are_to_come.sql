BEGIN;
SELECT plan(2);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 3, backlog_threshold => 50) \gset
SELECT count(*) FROM vibe.activate_campaign(:c, 1) \g /dev/null
SELECT is((SELECT count(*) FROM vibe._low_backlogs(vibe.clock())), 0::bigint, 'its backlog grows by itself');
SELECT count(*) FROM vibe.activate_campaign(:c, 2) \g /dev/null
SELECT is((SELECT count(*) FROM vibe._low_backlogs(vibe.clock())), 1::bigint, 'as soon as it does not, it is low');

SELECT * FROM finish();
ROLLBACK;
