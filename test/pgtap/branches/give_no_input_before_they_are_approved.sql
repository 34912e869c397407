BEGIN;
SELECT plan(3);

SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 0, '{"gate": "human"}')))))) AS task \gset
SELECT t.done(:task, 'a') \g /dev/null
SELECT is_empty(format('SELECT 1 FROM jsonb_array_elements(vibe._inputs(%s, %L, 1)) i WHERE i ->> %L = %L', :task, '', 'branch', 'a'), 'done, not approved');
SELECT count(*) FROM vibe.approve_step(:task, branch => 'a') \g /dev/null
SELECT isnt_empty(format('SELECT 1 FROM jsonb_array_elements(vibe._inputs(%s, %L, 1)) i WHERE i ->> %L = %L', :task, '', 'branch', 'a'), 'approved');
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task), '2 ready');

SELECT * FROM finish();
ROLLBACK;
