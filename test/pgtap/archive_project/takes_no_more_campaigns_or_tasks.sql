BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT ok(archived_at IS NOT NULL, 'it is put away') FROM vibe.archive_project(:p);
SELECT lives_ok(format('SELECT * FROM vibe.archive_project(%s)', :'p'), 'a second call changes nothing');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'project_archived'), 1, 'and tells nothing');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'x', 'X', pipeline_slug => 'content-draft')$$, :'p'), 'VB023', NULL, 'no campaign');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', pipeline_slug => 'content-draft')$$, :'p'), 'VB023', NULL, 'no task');
SELECT ok(archived_at IS NULL, 'it can be taken back into use') FROM vibe.update_project(:p, '{"archived": false}');
SELECT lives_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', pipeline_slug => 'content-draft')$$, :'p'), 'and takes a task');

SELECT * FROM finish();
ROLLBACK;
