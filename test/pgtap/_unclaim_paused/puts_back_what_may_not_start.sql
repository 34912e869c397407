BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1), 2) AS c, t.campaign(t.pipeline(1), 1) AS d, t.campaign(t.pipeline(1), 1) AS e \gset
SELECT array_agg(r) AS runs FROM t.claim(9) r \gset
SELECT is_empty(format('SELECT vibe._unclaim_paused(%L)', :'runs'), 'all of them may start');
SELECT (SELECT status FROM vibe.pause_campaign(:c)), (SELECT status FROM vibe.cancel_task(t.task(:d))) \g /dev/null
SELECT is((SELECT array_agg(r ORDER BY r) FROM vibe._unclaim_paused(:'runs') r), (SELECT array_agg(id ORDER BY id) FROM vibe.runs WHERE campaign_id IN (:c, :d)), 'those of a paused campaign and of a cancelled task');
SELECT is((SELECT string_agg(state || attempts, ' ') FROM vibe.work WHERE campaign_id = :c), 'ready0 ready0', 'put back, no attempt used');
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE ended_at IS NULL), 1, 'they have ended: nothing was started');
SELECT is((SELECT string_agg(outcome, ' ') FROM vibe.runs WHERE campaign_id = :e), NULL, 'the other goes on');
SELECT count(*) FROM vibe.resume_campaign(:c) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(9)), 2, 'after the resume they are claimed again');
SELECT is((SELECT array_agg(r) FROM vibe._unclaim_paused('{-1}') r), '{-1}', 'a run that is not there any more may not start either');

SELECT * FROM finish();
ROLLBACK;
