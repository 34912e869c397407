BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1)))), 2) AS c \gset
SELECT is(steps_total, 4::bigint) FROM vibe.campaign_progress(:c);
SELECT count(*) FROM vibe.cancel_branch(t.task(:c), 'a') \g /dev/null
SELECT t.done(t.task(:c)), t.done(t.task(:c, 2)), t.done(t.task(:c, 2), 'a') \g /dev/null
SELECT is(steps_done || ' of ' || steps_total, '3 of 3') FROM vibe.campaign_progress(:c);

SELECT * FROM finish();
ROLLBACK;
