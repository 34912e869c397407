BEGIN;
SELECT plan(3);

SELECT t.campaign(t.pipeline(3, '{}', '{"2": {"agent": null}}')) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(t.work(t.task(:c)), '3 ready', 'the one in the middle is passed');
SELECT t.campaign(t.pipeline(2, '{}', '{"2": {"agent": null}}')) AS d \gset
SELECT is(t.done(t.task(:d)), 'completed', 'one at the end ends the task');
SELECT t.campaign(t.pipeline(2, '{}', '{"2": {"agent": null, "gate": "human"}}')) AS e \gset
SELECT t.done(t.task(:e)) \g /dev/null
SELECT is(t.work(t.task(:e)), '2 waiting approval', 'unless it is a gate');

SELECT * FROM finish();
ROLLBACK;
