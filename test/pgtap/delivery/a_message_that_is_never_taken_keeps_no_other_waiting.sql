BEGIN;
SELECT plan(1);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT vibe.notify('task_blocked', 'poison', 'a') \g /dev/null
SELECT run, messages FROM t.deliver() \gset
SELECT t.answer(:run, jsonb_build_array(jsonb_build_object('id', :'messages'::jsonb #> '{0,id}', 'status', 'retry'))) \g /dev/null
SELECT vibe.notify('task_blocked', 'fresh', 'b') \g /dev/null
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT is((SELECT string_agg(m.value ->> 'text', ' ' ORDER BY n) FROM t.deliver() d, jsonb_array_elements(d.messages) WITH ORDINALITY m(value, n)), 'fresh poison', 'what is new goes first');

SELECT * FROM finish();
ROLLBACK;
