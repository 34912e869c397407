BEGIN;
SELECT plan(12);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.fail_step(%s, %L, %L)', :'run_id', :'token', outcome), 'VB030', NULL, coalesce(outcome, 'NULL'))
  FROM unnest(ARRAY['done', 'revise', 'cancelled', 'nonsense', '', NULL]) outcome;
SELECT throws_ok(format('SELECT * FROM vibe.fail_step(%s, %L, retry_after => %L)', :'run_id', :'token', after), 'VB030', NULL, after) FROM unnest(ARRAY['-1 second', '31 days']) after;
SELECT throws_ok(format('SELECT * FROM vibe.fail_step(-1, %L)', :'token'), 'VB006', NULL, 'no such run');
SELECT throws_ok(format('SELECT * FROM vibe.fail_step(%s, %L)', :'run_id', 'guess'), 'VB011', NULL, 'a guessed token');
SELECT count(*) FROM vibe.fail_step(:run_id, :'token') \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.fail_step(%s, %L)', :'run_id', :'token'), 'VB011', NULL, 'failed already');
SELECT is((SELECT attempts::int FROM vibe.work WHERE task_id = :task), 1, 'which counted once');

SELECT * FROM finish();
ROLLBACK;
