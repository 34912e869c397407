BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT is(tasks_created, 3::bigint) FROM vibe.generate_tasks(:c, 3);
SELECT is((SELECT string_agg(number::text, ' ' ORDER BY number) FROM vibe.tasks WHERE campaign_id = :c), '1 2 3 4 5', 'numbers go on');
SELECT is((SELECT count(*)::int FROM vibe.work WHERE campaign_id = :c AND state = 'ready'), 5, 'all ready');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE campaign_id = :c AND kind = 'tasks_generated'), 1, 'one line of history');

SELECT * FROM finish();
ROLLBACK;
