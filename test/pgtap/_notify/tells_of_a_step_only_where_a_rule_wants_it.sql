BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(3))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'step_advanced'), 0::bigint, 'off by default');
SELECT vibe.set_notification_rule('step_advanced', 'in_app', true) \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT is((SELECT detail ->> 'next_agent' FROM vibe.notifications WHERE kind = 'step_advanced'), 'agent-3', 'with a rule');
SELECT is(run_id, (SELECT max(id) FROM vibe.runs), 'and which run did it') FROM vibe.list_notifications() WHERE kind = 'step_advanced';

SELECT * FROM finish();
ROLLBACK;
