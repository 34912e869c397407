BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(row(status, tasks_created)::text, '(in_revision,1)') FROM vibe.extend_campaign(:c, 1);
SELECT is(t.work(t.task(:c, 2)), '1 ready', 'its task is ready');
SELECT is((SELECT count(*)::int FROM t.claim()), 1, 'and is claimed');
SELECT t.finish(id, 'done') FROM vibe.runs WHERE ended_at IS NULL AND campaign_id = :c \g /dev/null
SELECT is(t.campaign_status(:c), 'completed', 'and ends it again');

SELECT * FROM finish();
ROLLBACK;
