BEGIN;
SELECT plan(3);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT run_id FROM t.acquire(:task) \gset
SELECT t.now('2030-01-01 12:05+00') \g /dev/null
SELECT is_empty('SELECT * FROM vibe.find_stale_locks()', '30 min by default');
SELECT is(row(l.*)::text, row(:run_id, :task, '', 'agent-1', timestamptz '2030-01-01 12:00+00')::text, 'older than 5 min') FROM vibe.find_stale_locks('5 min') l;
SELECT is_empty('SELECT * FROM vibe.find_stale_locks(''5 min 1 second'')');

SELECT * FROM finish();
ROLLBACK;
