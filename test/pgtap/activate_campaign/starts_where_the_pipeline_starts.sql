BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(2, '{}', '{"0": {"gate": "human"}}')) AS gated \gset
SELECT is(t.work(t.task(:gated)), '0 waiting approval', 'a gate at the start holds');
SELECT t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 1, 'parallel_branches', jsonb_build_array(t.branch('Side', 0))))) AS sided \gset
SELECT is(t.work(t.task(:sided)), '1 waiting branches', 'the first step waits for a branch of the start');
SELECT is(t.work(t.task(:sided), 'Side'), '0 ready', 'which is ready');
SELECT t.campaign(t.pipeline(100)) AS long \gset
SELECT is(t.work(t.task(:long)), '1 ready', 'a hundred steps begin with the first');

SELECT * FROM finish();
ROLLBACK;
