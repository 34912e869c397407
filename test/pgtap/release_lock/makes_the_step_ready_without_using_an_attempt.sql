BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT is(r.released::text || r.run_id, 'true' || :'run_id') FROM vibe.release_lock(:task, 'agent-1', :'token') r;
SELECT is(t.work(:task) || ' ' || (SELECT attempts FROM vibe.work WHERE task_id = :task), '1 ready 0', 'ready, no attempt used');
SELECT is(t.outcome(:run_id), 'cancelled', 'the run is closed');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'token'), 'VB011', NULL, 'its token is dead');

SELECT * FROM finish();
ROLLBACK;
