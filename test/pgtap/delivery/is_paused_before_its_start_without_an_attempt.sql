BEGIN;
SELECT plan(3);

SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'event') \g /dev/null
SELECT run_id AS run FROM vibe._claim_runs('{telegram}', '{1}', 1, '{p}') \gset
SELECT vibe.pause_provider('p') \g /dev/null
SELECT is(ARRAY(SELECT vibe._unclaim_paused(ARRAY[:run]::bigint[])), ARRAY[:run]::bigint[], 'it is not started');
SELECT is(t.outbox(), 'pending 0 0', 'no attempt is used');
SELECT isnt((SELECT run FROM t.deliver()), NULL, 'and it is due again');

SELECT * FROM finish();
ROLLBACK;
