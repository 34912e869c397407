BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(2))) AS task \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT t.now('2030-01-01 12:09+00') \g /dev/null
SELECT is(r.renewed::text || ' ' || (r.lease_expires_at AT TIME ZONE 'UTC'), 'true 2030-01-01 12:14:00') FROM vibe.renew_lock(:run_id, :'token') r;
SELECT t.now('2030-01-01 12:18:59+00') \g /dev/null
SELECT is((SELECT acquired FROM vibe.acquire_lock(:task, 'agent-1')), false, 'it is counted from the renewal');
SELECT is_empty('SELECT * FROM vibe.find_stale_locks(interval ''10 min'')', 'and not stale');

SELECT * FROM finish();
ROLLBACK;
