BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 00:00:00Z') \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
UPDATE vibe.campaigns SET max_parallel = 1 WHERE id = :campaign;
SELECT ok(acquired, 'the first one is taken') FROM vibe.acquire_lock(t.task(:campaign, 1), 'agent-1');
SELECT is(reason, 'limit_reached', 'a second one is one too many') FROM vibe.acquire_lock(t.task(:campaign, 2), 'agent-1');
SELECT is((SELECT count(*)::int FROM t.claim(2)), 0, 'also for the dispatcher');
SELECT t.now('2030-01-01 01:00:00Z') \g /dev/null
SELECT ok(acquired, 'taking over what was not renewed takes its place') FROM vibe.acquire_lock(t.task(:campaign, 1), 'agent-1');

SELECT * FROM finish();
ROLLBACK;
