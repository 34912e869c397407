BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule('task_blocked', 'mail', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'to a', 'a'), vibe.notify('task_blocked', 'to b', 'b') \g /dev/null
SELECT run_id AS run, run ->> 'prompt' AS prompt FROM vibe._claim_runs('{mail}', '{1}', 1) \gset
SELECT is(:'prompt'::text, E'to a\n\nto b', 'it reads the texts');
SELECT t.finish(:run, 'rate_limited', '{"retry_after_s": 7}') \g /dev/null
SELECT is(t.outbox(), 'pending 1 0, pending 1 0', 'try later: nothing was sent');
SELECT t.now('2030-01-01 12:00:08+00') \g /dev/null
SELECT run FROM t.deliver('mail') \gset
SELECT t.finish(:run, 'failed', '{"exit_code": 1, "result": {"output": {"text": "no route to host"}}}') \g /dev/null
SELECT is(t.outbox(), 'pending 2 0, pending 2 0', 'another one than 0: nothing either');
SELECT t.now('2030-01-01 12:30+00') \g /dev/null
SELECT run FROM t.deliver('mail') \gset
SELECT t.finish(:run, 'done', '{"result": {"output": {"text": ""}}}') \g /dev/null
SELECT is(t.outbox(), 'sent 3 0, sent 3 0', '0: all of it was');
SELECT is((SELECT run FROM t.deliver('mail')), NULL, 'and nothing is left');

SELECT * FROM finish();
ROLLBACK;
