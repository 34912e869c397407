BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT n.id AS first FROM vibe.notify('task_blocked', 'to all') n \gset
SELECT vibe.notify('task_blocked', 'to ann', 'ann'), vibe.notify('task_blocked', 'to bob', 'bob') \g /dev/null
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(marked, 1::bigint, 'by id') FROM vibe.mark_notifications_read(ARRAY[:first, 0]);
SELECT is(read_at, '2030-01-01 13:00+00', 'it says when it was read') FROM vibe.list_notifications() WHERE id = :first;
SELECT is(marked, 0::bigint, 'again') FROM vibe.mark_notifications_read(ARRAY[:first]);
SELECT is(marked, 1::bigint, 'a recipient''s inbox') FROM vibe.mark_notifications_read(recipient => 'ann');
SELECT is((SELECT array_agg(message) FROM vibe.list_notifications(unread_only => true)), '{to bob}', 'not that of others');
SELECT throws_ok('SELECT * FROM vibe.mark_notifications_read()', 'VB030', NULL, 'but not everything by mistake');

SELECT * FROM finish();
ROLLBACK;
