BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT count(*) FROM vibe.cancel_task(:task) \g /dev/null
SELECT throws_ok(format('UPDATE vibe.tasks SET status = %L WHERE id = %s', 'backlog', :'task'), 'VB020', NULL, 'cancelled is the end');
SELECT lives_ok(format('UPDATE vibe.tasks SET status = %L WHERE id = %s', 'cancelled', :'task'), 'no change is no transition');
SELECT throws_ok(format('UPDATE vibe.tasks SET status = %L WHERE id = %s', 'nonsense', :'task'), 'VB020', NULL, 'a word that is not there');
SELECT is((SELECT count(*)::int FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'vibe'::regnamespace) AND tgtype & 4 = 4 AND NOT tgisinternal), 0, 'no INSERT trigger: a restore would fire it');

SELECT * FROM finish();
ROLLBACK;
