BEGIN;
SELECT plan(6);

SELECT n.id AS first FROM vibe.notify('task_blocked', 'to all') n \gset
SELECT vibe.notify('task_blocked', 'to ann', 'ann'), vibe.notify('task_blocked', 'to bob', 'bob') \g /dev/null
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications('ann')), '{to ann,to all}', 'newest first');
SELECT is((SELECT count(*) FROM vibe.list_notifications()), 3::bigint, 'without a recipient all');
SELECT vibe.mark_notifications_read(ARRAY[:first]) \g /dev/null
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications('ann', unread_only => true)), '{to ann}', 'only new ones');
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications(max_rows => 1)), '{to bob}', 'a page');
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications(after_id => (SELECT max(id) FROM vibe.notifications))), '{to ann,to all}', 'and the next');
SET LOCAL ROLE vibe_viewer;
SELECT is((SELECT count(*) FROM vibe.list_notifications()), 3::bigint, 'a viewer reads them');

SELECT * FROM finish();
ROLLBACK;
