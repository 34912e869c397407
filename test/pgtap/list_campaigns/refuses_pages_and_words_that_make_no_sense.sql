BEGIN;
SELECT plan(4);

SELECT throws_ok('SELECT * FROM vibe.list_campaigns(' || argument || ')', 'VB030', NULL, argument)
  FROM unnest(ARRAY['max_rows => 0', 'max_rows => 1001', 'max_rows => NULL', $$status => 'asleep'$$]) argument;

SELECT * FROM finish();
ROLLBACK;
