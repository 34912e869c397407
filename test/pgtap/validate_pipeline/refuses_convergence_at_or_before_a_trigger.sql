BEGIN;
SELECT plan(3);

SELECT is(t.problems(t.definition(3, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 2))))), 'convergence_before_trigger', 'at the trigger');
SELECT is(t.problems(t.definition(3, jsonb_build_object('convergence_step', 1, 'parallel_branches', jsonb_build_array(t.branch('a', 2))))), 'convergence_before_trigger', 'before it');
SELECT is(t.problems(t.definition(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 2))))), NULL, 'after it is right');

SELECT * FROM finish();
ROLLBACK;
