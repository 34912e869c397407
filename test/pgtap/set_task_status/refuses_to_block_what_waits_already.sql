BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS gated \gset
SELECT t.done(:gated) \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'blocked')$$, :'gated'), 'VB033', NULL, 'for an approval');
SELECT t.task(t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('Side', 1)))))) AS converging \gset
SELECT t.done(:converging) \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'blocked')$$, :'converging'), 'VB033', NULL, 'for branches');
SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'blocked')$$, t.task(:c)), 'VB033', NULL, 'what is completed has nothing to block');
SELECT t.task(t.campaign(t.pipeline(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Side', 1)))))) AS tail \gset
SELECT t.done(:tail) \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'blocked')$$, :'tail'), 'VB033', NULL, 'nor where only branches are left');

SELECT * FROM finish();
ROLLBACK;
