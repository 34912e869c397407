BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 0)))), 2) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT token AS other FROM t.acquire(t.task(:c, 2)) \gset
SELECT token AS side FROM t.acquire(:task, 'Side') \gset
SELECT t.everything() AS before \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'other'), 'VB011', NULL, 'another task''s');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', :'side'), 'VB011', NULL, 'another branch''s');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L, branch => %L)', :'task', 'agent-9', :'token', 'Side'), 'VB011', NULL, 'the main line''s for a branch');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', 'guess'), 'VB011', NULL, 'a guess');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-1', ''), 'VB011', NULL, 'an empty one');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :'task', 'agent-2', :'token'), 'VB012', NULL, 'its own in another agent''s name');
SELECT is(t.everything(), :'before', 'nothing changed');

SELECT * FROM finish();
ROLLBACK;
