BEGIN;
SELECT plan(2);

SELECT (vibe.create_project('p', 'P')).id AS p, (vibe.create_project('q', 'Q')).id AS q, t.pipeline(1) AS pipeline \gset
SELECT x.id AS a, y.id AS b FROM vibe.create_task(:p, 'A', pipeline_slug => :'pipeline') x, vibe.create_task(:q, 'B', pipeline_slug => :'pipeline') y \gset
SELECT t.done(:a), t.done(:b) \g /dev/null
SELECT results_eq(format('SELECT kind, task_title, campaign_id FROM vibe.list_activities(%s)', :'p'), $$VALUES ('task_created', 'A', NULL::bigint), ('run_started', 'A', NULL), ('run_ended', 'A', NULL)$$, 'of their project');
SELECT is((SELECT count(*)::int FROM vibe.list_activities() WHERE task_id IN (:a, :b)), 6, 'and among all');

SELECT * FROM finish();
ROLLBACK;
