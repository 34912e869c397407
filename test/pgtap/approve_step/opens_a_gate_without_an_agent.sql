BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1, '{}', '{"0": {"gate": "human"}}')) AS c, t.campaign(t.pipeline(2, '{}', '{"2": {"agent": null, "gate": "human"}}')) AS d \gset
SELECT is(next_step, 1, 'at the start') FROM vibe.approve_step(t.task(:c));
SELECT t.done(t.task(:d)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(%s, 1)', t.task(:d)), 'VB011', NULL, 'there is no result that could be named');
SELECT is(task_status || task_completed, 'completedtrue', 'at the end it completes the task') FROM vibe.approve_step(t.task(:d));
SELECT is(t.campaign_status(:d), 'completed', 'and the campaign');

SELECT * FROM finish();
ROLLBACK;
