BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT is(l.acquired::text || ' ' || l.reason || ' ' || l.locked_by, 'false locked agent-1', 'the same agent name does not get in') FROM vibe.acquire_lock(:task, 'agent-1') l;
SELECT ok(l.lock_token IS NULL AND l.run_id IS NULL, 'nor does anybody learn the token') FROM vibe.acquire_lock(:task, 'agent-2') l;
SELECT is((SELECT count(*)::int FROM vibe.runs), 1, 'no second run');

SELECT * FROM finish();
ROLLBACK;
