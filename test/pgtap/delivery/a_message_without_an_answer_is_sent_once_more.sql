BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'first'), vibe.notify('task_blocked', 'second') \g /dev/null
SELECT run, messages FROM t.deliver() \gset
SELECT t.finish(:run, 'killed') \g /dev/null
SELECT is(t.outbox(), 'pending 1 1, pending 1 1', 'it may have arrived');
SELECT vibe.notify('task_blocked', 'third') \g /dev/null
SELECT t.now('2030-01-01 12:10+00') \g /dev/null
SELECT run AS again, messages AS repeated FROM t.deliver() \gset
SELECT is(:'repeated'::jsonb #>> '{1,key}', :'messages'::jsonb #>> '{0,key}', 'it goes out once more, as the same message');
SELECT is(:'repeated'::jsonb #>> '{1,text}', :'messages'::jsonb #>> '{0,text}', 'with the same text');
SELECT is(:'repeated'::jsonb #>> '{0,text}', 'third', 'what is new is a message of its own');
SELECT t.answer(:again, jsonb_build_array(jsonb_build_object('id', :'repeated'::jsonb #> '{0,id}', 'status', 'sent')), 'timeout_total') \g /dev/null
SELECT is(t.outbox(), 'failed 2 2, failed 2 2, sent 1 0', 'and never a third time');
SELECT matches((SELECT min(error) FROM vibe.deliveries), '^nobody can tell whether it arrived', 'which is said');

SELECT * FROM finish();
ROLLBACK;
