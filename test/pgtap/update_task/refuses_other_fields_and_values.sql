BEGIN;
SELECT plan(8);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.update_task(%s, %L)', :'task', changes), 'VB030', NULL, changes)
  FROM unnest(ARRAY['{"status": "completed"}', '{"title": null}', '{"title": ""}', '{"priority": "soon"}', '{"priority": null}', '{"deliverables": true}', '"x"']) changes;
SELECT throws_ok($$SELECT * FROM vibe.update_task(-1, '{}')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
