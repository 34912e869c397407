BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 1, '{"deliverable": "x"}')))), 6, deliverables => '[]') AS c \gset
SELECT is(row(p.*)::text, format('(%s,active,6,0,0,0,6,0,0,0,0,12,0,,,0)', :'c'), 'at the start') FROM vibe.campaign_progress(:c) p;
SELECT t.finish(r, 'done', '{"usage": {"cost_usd": 0.25}}') FROM t.claim(3) r \g /dev/null
SELECT t.done(t.task(:c)), (SELECT status FROM vibe.cancel_task(t.task(:c, 3))) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked') FROM t.acquire(t.task(:c, 4)) a \g /dev/null
SELECT run_id FROM t.acquire(t.task(:c, 5)) \gset
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT is(row(p.total, p.done, p.cancelled, p.running, p.ready, p.waiting, p.blocked)::text, '(6,1,1,1,2,1,1)', 'tasks and work') FROM vibe.campaign_progress(:c) p;
SELECT is(row(p.steps_done, p.steps_total, p.tasks_per_minute, p.seconds_left)::text, '(3,10,0.10,1400.0)', 'steps and pace') FROM vibe.campaign_progress(:c) p;
SELECT is(p.cost_usd, 0.75, 'what a cancelled task cost was spent as well') FROM vibe.campaign_progress(:c) p;
SELECT throws_ok('SELECT * FROM vibe.campaign_progress(-1)', 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
