BEGIN;
SELECT plan(2);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(next_step, 1, 'the step whose result is looked at') FROM vibe.request_revision(:task, 'not yet');
SELECT is(t.work(:task), '1 ready');

SELECT * FROM finish();
ROLLBACK;
