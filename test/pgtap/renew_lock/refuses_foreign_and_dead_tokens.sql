BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2))) AS task, t.task(t.campaign(t.pipeline(2))) AS other \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT token AS foreign_token FROM t.acquire(:other) \gset
SELECT throws_ok(format('SELECT * FROM vibe.renew_lock(-1, %L)', :'token'), 'VB006', NULL, 'no such run');
SELECT throws_ok(format('SELECT * FROM vibe.renew_lock(%s, %L)', :'run_id', :'foreign_token'), 'VB011', NULL, 'another run''s token');
SELECT throws_ok(format('SELECT * FROM vibe.renew_lock(%s, NULL)', :'run_id'), 'VB011', NULL, 'no token');
SELECT count(*) FROM vibe.complete_step(:task, 'agent-1', :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.renew_lock(%s, %L)', :'run_id', :'token'), 'VB011', NULL, 'a run that is closed');

SELECT * FROM finish();
ROLLBACK;
