BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
UPDATE vibe.agents SET max_parallel = 1 WHERE name = 'agent-1';
SELECT is(step, 1, 'with a free slot') FROM vibe.dispatch_agent(t.task(:campaign, 2));
SELECT count(*) FROM t.claim(1) \g /dev/null
SELECT is((SELECT task_id FROM vibe.runs), t.task(:campaign, 2), 'it goes first');
SELECT throws_ok(format('SELECT * FROM vibe.dispatch_agent(%s)', t.task(:campaign, 1)), 'VB034', NULL, 'without one it says so');

SELECT * FROM finish();
ROLLBACK;
