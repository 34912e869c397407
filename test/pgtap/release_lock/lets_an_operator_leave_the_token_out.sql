BEGIN;
SELECT plan(2);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT run_id FROM t.acquire(:task) \gset
SELECT is((SELECT released FROM vibe.release_lock(:task, 'agent-1', NULL)), true);
SELECT is(t.work(:task), '1 ready');

SELECT * FROM finish();
ROLLBACK;
