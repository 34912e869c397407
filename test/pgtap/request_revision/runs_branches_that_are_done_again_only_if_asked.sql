BEGIN;
SELECT plan(8);

SELECT t.task(t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('early', 0)))))) AS task \gset
SELECT t.done(:task), t.done(:task, 'a'), t.done(:task, 'early') \g /dev/null
SELECT count(*) FROM vibe.request_revision(:task, 'shorter', 1) \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task, 'a'), NULL, 'not asked: done is done');
SELECT count(*) FROM vibe.request_revision(:task, 'about cats', 1, rerun_branches => true) \g /dev/null
SELECT is_empty(format('SELECT i FROM jsonb_array_elements(vibe._inputs(%s, %L, 1)) i WHERE i ->> %L = %L', :task, '', 'branch', 'a'), 'asked: its result is superseded');
SELECT is(t.work(:task, 'a'), NULL, 'it waits for its trigger');
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task, 'a'), '0 ready', 'and opens with it');
SELECT is(t.work(:task, 'early'), NULL, 'what was triggered before the target is not touched');
SELECT is(run ->> 'revision_notes', 'about cats', 'the notes reach it, too') FROM vibe._claim_runs('{default}', '{9}', 9) WHERE run ->> 'branch' = 'a';
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE task_id = :task AND superseded), 3, 'what was superseded is kept');
SELECT is((SELECT revision_count FROM vibe.tasks WHERE id = :task), 2);

SELECT * FROM finish();
ROLLBACK;
