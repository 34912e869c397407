BEGIN;
SELECT plan(1);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT t.everything() AS before \gset
SAVEPOINT here;
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token', quality_score => 50) \g /dev/null
ROLLBACK TO here;
SELECT is(t.everything(), :'before');

SELECT * FROM finish();
ROLLBACK;
