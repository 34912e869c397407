BEGIN;
SELECT plan(4);

SELECT is(max_parallel || '|' || heartbeat_schedule, '3|*/5 8-18 * * mon-fri', 'spaces are put in order')
  FROM vibe.register_agent('mine', max_parallel => 3, heartbeat_schedule => E' */5  8-18 *\t* mon-fri ');
SELECT is(max_parallel || '|' || heartbeat_schedule, '4|*/5 8-18 * * mon-fri', 'NULL leaves a field') FROM vibe.register_agent('mine', max_parallel => 4);
SELECT throws_ok(format('SELECT * FROM vibe.register_agent(%L, max_parallel => %s)', 'mine', n), 'VB030', NULL, n || ' at once')
  FROM unnest(ARRAY[0, 100001]) n;

SELECT * FROM finish();
ROLLBACK;
