BEGIN;
SELECT plan(12);

SELECT t.pipeline(1) AS pipeline, (vibe.create_project('p', 'P')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT id AS d FROM vibe.create_campaign(:project, 'd', 'D', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT id AS e FROM vibe.create_campaign(:project, 'e', 'E', pipeline_slug => :'pipeline', target_article_count => 3) \gset
SELECT count(*) FROM vibe.activate_campaign(:c, 2) \g /dev/null
SELECT is(campaigns_completed, 0::bigint, 'all that are there have ended') FROM vibe.cancel_tasks(jsonb_build_object('campaign_id', :c));
SELECT is(vibe.check_campaign_completion(:c), false, 'it is not complete');
SELECT is(vibe._finish_campaigns(vibe.clock()), 0::bigint, 'nor does a sweep think so');
SELECT is(row(x.campaigns_completed, x.tasks_created)::text, '(0,1)', 'which adds the rest') FROM vibe.sweep() x;
SELECT is(campaigns_completed, 1::bigint, 'the last task ends it') FROM vibe.cancel_tasks(jsonb_build_object('campaign_id', :c));

SELECT count(*) FROM vibe.activate_campaign(:d, 2) \g /dev/null
SELECT count(*) FROM vibe.cancel_tasks(jsonb_build_object('campaign_id', :d)) \g /dev/null
SELECT is(status, 'completed', 'completed by hand') FROM vibe.complete_campaign(:d);
SELECT is((SELECT tasks_to_create FROM vibe.campaigns WHERE id = :d), NULL, 'none is left to create');
SELECT is(row(r.status, (SELECT tasks_created FROM vibe.sweep()))::text, '(in_revision,0)', 'also after it was opened again') FROM vibe.reopen_campaign(:d) r;

SELECT count(*) FROM vibe.activate_campaign(:e, 2) \g /dev/null
SELECT is(tasks_cancelled, 2::bigint, 'cancelled') FROM vibe.cancel_campaign(:e);
SELECT is((SELECT tasks_to_create FROM vibe.campaigns WHERE id = :e), NULL, 'none is left to create');
SELECT is(tasks_created, 0::bigint, 'and none is') FROM vibe.sweep();
SELECT throws_ok(format('SELECT * FROM vibe.activate_campaign(%s, 2)', :e), 'VB020', NULL, 'nor by a call');

SELECT * FROM finish();
ROLLBACK;
