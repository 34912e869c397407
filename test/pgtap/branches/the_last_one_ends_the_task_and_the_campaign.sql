BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('b', 1))))) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT isnt(t.status(:task), 'completed', 'the main line is done, the branches are not');
SELECT t.done(:task, 'a') \g /dev/null
SELECT isnt(t.status(:task), 'completed');
SELECT is(row(s.*)::text, '(t,,,completed,t)', 'the last branch') FROM t.acquire(:task, 'b') a, vibe.complete_step(:task, a.agent, a.token, branch => 'b') s;
SELECT is(t.campaign_status(:c), 'completed');
SELECT is_empty('SELECT * FROM vibe.work');

SELECT * FROM finish();
ROLLBACK;
