BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT token FROM t.acquire(t.task(:c)) \gset
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(next_step, 2, 'a running step may finish') FROM vibe.complete_step(t.task(:c), 'agent-1', :'token');
SELECT is_empty('SELECT t.claim(5)', 'the next one waits for the resume');

SELECT * FROM finish();
ROLLBACK;
