BEGIN;
SELECT plan(2);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 0))), '{"1": {"gate": "human"}}'))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT count(*) FROM vibe.approve_step(:task, note => 'mind the title') \g /dev/null
SELECT is(t.work(:task), '2 waiting branches');
SELECT t.done(:task, 'a') \g /dev/null
SELECT is(t.work(:task) || ' ' || (SELECT note FROM vibe.work WHERE task_id = :task), '2 ready mind the title');

SELECT * FROM finish();
ROLLBACK;
