BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT is(subscribers, '{ann@example.org}') FROM vibe.add_subscriber(:task, 'ann@example.org');
SELECT is(subscribers, '{ann@example.org}', 'a second call changes nothing') FROM vibe.add_subscriber(:task, 'ann@example.org');
SELECT is(subscribers, '{ann@example.org,bob}', 'another is added') FROM vibe.add_subscriber(:task, 'bob');
SELECT throws_ok(format('SELECT * FROM vibe.add_subscriber(%s, %s)', :'task', name), 'VB030', NULL, name) FROM unnest(ARRAY['NULL', ''' ''']) name;
SELECT throws_ok($$SELECT * FROM vibe.add_subscriber(-1, 'x')$$, 'VB003', NULL, 'no such task');

SELECT * FROM finish();
ROLLBACK;
