BEGIN;
SELECT plan(11);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L, quality_score => %L)', :'task', 'agent-1', :'token', score), 'VB030', NULL, 'score ' || score)
  FROM unnest(ARRAY['-0.1', '100.1', 'NaN', 'Infinity']) score;
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L, output_path => %L)', :'task', 'agent-1', :'token', path), 'VB030', NULL, 'path ' || left(path, 20))
  FROM unnest(ARRAY['/etc/passwd', '../x', 'a/../../x', '..', E'a\nb', repeat('x', 4001)]) path;
SELECT is(t.work(:task), '1 held', 'the step is still held');

SELECT * FROM finish();
ROLLBACK;
