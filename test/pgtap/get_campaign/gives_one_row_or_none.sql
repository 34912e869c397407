BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 3) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.cancel_task(t.task(:c, 2)) \g /dev/null
SELECT is(row(task_count, completed_task_count, cancelled_task_count, blocked_task_count)::text, '(3,1,1,0)', 'by id, with its tasks counted') FROM vibe.get_campaign(:c);
SELECT is(id, :c::bigint, 'by slug') FROM vibe.get_campaign_by_slug((SELECT slug FROM vibe.campaigns WHERE id = :c));
SELECT is_empty('SELECT * FROM vibe.get_campaign(-1)', 'none by id');
SELECT is_empty($$SELECT * FROM vibe.get_campaign_by_slug('none')$$, 'none by slug');

SELECT * FROM finish();
ROLLBACK;
