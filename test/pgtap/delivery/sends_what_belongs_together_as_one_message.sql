BEGIN;
SELECT plan(9);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.set_notification_rule(k, 'telegram', true) FROM unnest(ARRAY['task_completed', 'task_blocked']) k \g /dev/null
SELECT t.campaign(t.pipeline(1), 12) AS one, t.campaign(t.pipeline(1), 1) AS two \gset
SELECT t.done(t.task(:one, n)) FROM generate_series(1, 12) n \g /dev/null
SELECT t.done(t.task(:two)) \g /dev/null
SELECT vibe.notify('task_blocked', 'Look.', 'ann'), vibe.notify('task_blocked', 'Look.', 'bob') \g /dev/null
SELECT run, messages FROM t.deliver() \gset
SELECT is(jsonb_array_length(:'messages'::jsonb), 4, 'per kind, campaign and recipient');
SELECT is(:'messages'::jsonb #>> '{0,count}', '12', 'one for all tasks of a campaign');
SELECT matches(:'messages'::jsonb #>> '{0,text}', '^12 × task_completed, campaign test-\d+\n- Task "Test #1" was completed\.\n(- .*\n){9}… and 2 more$', 'with the first ten');
SELECT is(:'messages'::jsonb #>> '{1,text}', 'Task "Test #1" was completed.', 'a single one is its own sentence');
SELECT is(:'messages'::jsonb #>> '{2,recipient}' || ' ' || (:'messages'::jsonb #>> '{3,recipient}'), 'ann bob', 'whom it is for');
SELECT is(:'messages'::jsonb #>> '{0,at}', '2030-01-01T12:00:00.000Z', 'and when it was');
SELECT is((SELECT count(DISTINCT m.value ->> 'key') FROM jsonb_array_elements(:'messages'::jsonb) m WHERE length(m.value ->> 'key') = 32), 4::bigint, 'a key for each');
SELECT is((SELECT run FROM t.deliver()), NULL, 'one run at a time on a channel');
SELECT is((SELECT string_agg(DISTINCT agent_name || campaign_id, ' ') FROM vibe.runs WHERE kind = 'notify'), 'notify:telegram0', 'it counts for no agent and no campaign');

SELECT * FROM finish();
ROLLBACK;
