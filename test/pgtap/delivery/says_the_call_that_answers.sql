BEGIN;
SELECT plan(5);

SELECT vibe.set_notification_rule(k, 'telegram', true) FROM unnest(ARRAY['approval_needed', 'task_blocked', 'provider_paused', 'task_completed']) k \g /dev/null
SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS task \gset
SELECT t.task(t.campaign(t.pipeline(1))) AS blocked \gset
SELECT t.done(:task) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked', 'what price?') FROM t.acquire(:blocked) a \g /dev/null
SELECT vibe.pause_provider('anthropic') \g /dev/null
SELECT vibe.notify('task_completed', 'Fine.') \g /dev/null
CREATE TEMP TABLE sent AS SELECT m.value FROM t.deliver() d, jsonb_array_elements(d.messages) m;
SELECT is(value ->> 'call', format('SELECT * FROM vibe.approve_step(task_id => %s, run_id => %s);', :task, (SELECT min(id) FROM vibe.runs WHERE task_id = :task)), 'to approve') FROM sent WHERE value ->> 'kind' = 'approval_needed';
SELECT is(value ->> 'call', format('SELECT * FROM vibe.why(task_id => %s);', :blocked), 'to look') FROM sent WHERE value ->> 'kind' = 'task_blocked';
SELECT is(value ->> 'call', 'SELECT * FROM vibe.resume_provider(''anthropic'');', 'to go on') FROM sent WHERE value ->> 'kind' = 'provider_paused';
SELECT is(value ->> 'call', NULL, 'nothing is to be done') FROM sent WHERE value ->> 'kind' = 'task_completed';
SELECT ok(value ->> 'text' LIKE '%' || E'\n\n' || (value ->> 'call'), 'the text ends with it') FROM sent WHERE value ->> 'kind' = 'approval_needed';

SELECT * FROM finish();
ROLLBACK;
