BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT vibe.reopen_campaign(:c) \g /dev/null
SELECT is(campaigns_completed, 0::bigint, 'no task of it is open yet') FROM vibe.sweep();
SELECT is(next_step, 1, 'a revision may be asked for') FROM vibe.request_revision(:task, 'after all');
SELECT is(t.campaign_status(:c), 'in_revision');
SELECT isnt_empty('SELECT t.claim(5)', 'and is worked on');
SELECT t.finish(id) FROM vibe.runs WHERE ended_at IS NULL \g /dev/null
SELECT is(t.campaign_status(:c), 'completed', 'the last one ends it again');

SELECT * FROM finish();
ROLLBACK;
