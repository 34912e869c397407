BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1, '{"gate": "human"}')))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'a') \g /dev/null
SELECT is(t.work(:task, 'a'), '0 waiting approval');
SELECT is(t.work(:task), '2 waiting branches');
SELECT is(next_step, 2, 'approved') FROM vibe.approve_step(:task, branch => 'a');
SELECT is(t.work(:task), '2 ready');

SELECT * FROM finish();
ROLLBACK;
