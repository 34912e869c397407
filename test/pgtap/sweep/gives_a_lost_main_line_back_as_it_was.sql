BEGIN;
SELECT plan(11);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0))), '{"1": {"gate": "human", "output_dir": "drafts"}}'), 3) AS c \gset
SELECT t.task(:c) AS gated, t.task(:c, 2) AS blocked, t.task(:c, 3) AS running \gset
SELECT t.done(:gated) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked') FROM t.acquire(:blocked) a \g /dev/null
DELETE FROM vibe.work WHERE branch = '';
SELECT is((SELECT count(*) FROM vibe.find_orphaned_tasks()), 3::bigint, 'found although their branches are there');
SELECT t.done(:running, 'a') \g /dev/null
SELECT is(t.status(:running), 'backlog', 'the end of a branch does not complete a task whose main line was lost');
SELECT is(orphans_dispatched, 3::bigint) FROM vibe.sweep();
SELECT is(t.work(:gated), '1 waiting approval', 'a gate waits for the result that is there');
SELECT is(t.work(:blocked), '1 waiting person', 'a blocked step waits for a person');
SELECT is(t.work(:running), '1 ready', 'any other is ready');
SELECT is_empty('SELECT * FROM vibe.find_orphaned_tasks()');
SELECT is(next_step, 2, 'and all goes on') FROM vibe.approve_step(:gated);
SELECT is(t.done(:gated), 'drafted');
SELECT is((SELECT step FROM vibe.tasks WHERE id = :gated), NULL, 'a main line that is done');
SELECT is(orphans_dispatched, 0::bigint, 'is not lost') FROM vibe.sweep();

SELECT * FROM finish();
ROLLBACK;
