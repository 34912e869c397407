BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(3, '{}', '{"1": {"agent": null, "gate": "human"}, "2": {"agent": null, "gate": "human"}}'))) AS task \gset
SELECT is(next_step, 2, 'the first of two gates') FROM vibe.approve_step(:task, step => 1);
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(%s, step => 1)', :task), 'VB020', NULL, 'a second approval of it does not open the next one');
SELECT is(t.work(:task), '2 waiting approval');
SELECT is(next_step, 3) FROM vibe.approve_step(:task, step => 2);

SELECT * FROM finish();
ROLLBACK;
