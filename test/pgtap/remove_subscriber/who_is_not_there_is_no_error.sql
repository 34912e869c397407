BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT count(*) FROM vibe.add_subscriber(:task, 'ann') \g /dev/null
SELECT is(subscribers, '{}') FROM vibe.remove_subscriber(:task, 'ann');
SELECT is(subscribers, '{}', 'again') FROM vibe.remove_subscriber(:task, 'ann');
SELECT throws_ok($$SELECT * FROM vibe.remove_subscriber(-1, 'x')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
