BEGIN;
SELECT plan(10);

SELECT t.campaign(t.pipeline(2), 1) AS c, t.campaign(t.pipeline(2), 2) AS d \gset
SELECT t.task(:d) AS task \gset
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L)', :'task', notes), 'VB030', NULL, 'no notes') FROM unnest(ARRAY[NULL, '', ' ']) notes;
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, branch => %L)', :'task', 'x', 'Side'), 'VB007', NULL, 'a branch that is not there');
SELECT throws_ok('SELECT * FROM vibe.request_revision(-1, ''x'')', 'VB003', NULL, 'no such task');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, 7)', :'task', 'x'), 'VB007', NULL, 'no such step');
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L, agent_name => %L, lock_token => %L)', :'task', 'x', 'agent-1', 'guess'), 'VB011', NULL, 'a guessed token');
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L)', :'task', 'x'), 'VB020', NULL, 'a cancelled task');
SELECT t.done(t.task(:c)) \g /dev/null
SELECT t.done(t.task(:c)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.request_revision(%s, %L)', t.task(:c), 'x'), 'VB021', NULL, 'a campaign that is completed');
SELECT is(t.campaign_status(:c), 'completed');

SELECT * FROM finish();
ROLLBACK;
