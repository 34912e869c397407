BEGIN;
SELECT plan(8);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'event', r) FROM unnest(ARRAY['a', 'b', 'c', 'd', 'e']) r \g /dev/null
SELECT run, messages FROM t.deliver() \gset
SELECT t.answer(:run, jsonb_build_array(
    jsonb_build_object('id', :'messages'::jsonb #> '{0,id}', 'status', 'failed'), jsonb_build_object('id', :'messages'::jsonb #> '{0,id}', 'status', 'sent'),
    jsonb_build_object('id', :'messages'::jsonb #> '{1,id}', 'status', 'retry', 'retry_after_s', 90),
    jsonb_build_object('id', :'messages'::jsonb #> '{2,id}', 'status', 'failed', 'error', 'chat not found'),
    jsonb_build_object('id', :'messages'::jsonb #> '{3,id}', 'status', 'retry', 'tried', false),
    jsonb_build_object('id', :'messages'::jsonb #> '{4,id}', 'status', 'perhaps'), '7', '{"id": "0", "status": "sent"}', '{"status": "sent"}', '{"id": {"a": [1]}}')) \g /dev/null
SELECT is(t.outbox(), 'sent 1 0, pending 1 0, failed 1 0, pending 0 0, pending 1 1', 'the last answer of each counts, nonsense is none');
SELECT is((SELECT string_agg(to_char(next_attempt_at - vibe.clock(), 'MI:SS'), ' ' ORDER BY notification_id) FROM vibe.deliveries WHERE state = 'pending'), '01:30 00:05 00:30', 'when each is due again');
SELECT is((SELECT string_agg(error, ', ' ORDER BY notification_id) FROM vibe.deliveries WHERE state <> 'pending'), 'chat not found', 'why one was given up');
SELECT is((SELECT sent_at FROM vibe.deliveries WHERE state = 'sent'), vibe.clock(), 'and when one was sent');
SELECT is((SELECT ready_at - vibe.clock() FROM vibe.chores), interval '90 seconds', 'the channel rests for as long as it asked for');
SELECT is(vibe._next_due(), vibe.clock() + '5 seconds', 'the dispatcher looks again in time');
SELECT t.now('2030-01-01 12:02+00') \g /dev/null
SELECT is((SELECT string_agg(m.value ->> 'recipient' || (m.value ->> 'attempt'), ' ' ORDER BY n) FROM t.deliver() d, jsonb_array_elements(d.messages) WITH ORDINALITY m(value, n)), 'd1 b2 e2', 'what is left is sent then, first what was tried least');
SELECT vibe.notify('task_blocked', 'event', 'b') \g /dev/null
SELECT is((SELECT accepted FROM t.finish(:run)), true, 'an end that is told twice changes nothing');

SELECT * FROM finish();
ROLLBACK;
