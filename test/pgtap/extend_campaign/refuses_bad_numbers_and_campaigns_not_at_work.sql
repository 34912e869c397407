BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.extend_campaign(%s, %s)', :'c', n), 'VB030', NULL, n) FROM unnest(ARRAY['0', '-1', '1000001', 'NULL']) n;
SELECT throws_ok('SELECT * FROM vibe.extend_campaign(-1, 1)', 'VB002', NULL, 'no such campaign');
SELECT throws_ok(format('SELECT * FROM vibe.extend_campaign(%s, 1000000)', :'c'), 'VB034', NULL, 'too many');
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.extend_campaign(%s, 1)', :'c'), 'VB021', NULL, 'a cancelled one');

SELECT * FROM finish();
ROLLBACK;
