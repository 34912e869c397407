BEGIN;
SELECT plan(2);

SELECT vibe.set_notification_rule('budget_reached', 'telegram', true) \g /dev/null
SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT vibe.notify('budget_reached', 'No more.', campaign_id => :campaign), vibe.notify('budget_reached', 'Nor here.', campaign_id => :campaign, task_id => t.task(:campaign)) \g /dev/null
SELECT is(vibe._next_call(n), format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', :campaign), 'of the campaign') FROM vibe.notifications n WHERE message = 'No more.';
SELECT is(vibe._next_call(n), format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', t.task(:campaign)), 'of the task') FROM vibe.notifications n WHERE message = 'Nor here.';

SELECT * FROM finish();
ROLLBACK;
