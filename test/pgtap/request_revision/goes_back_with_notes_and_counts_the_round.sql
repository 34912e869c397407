BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(3, '{}', '{"1": {"output_dir": "drafts"}}')) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT t.done(:task) \g /dev/null
SELECT token, run_id FROM t.acquire(:task) \gset
SELECT is(row(r.*)::text, '(1,agent-1,1,revision_needed)', 'the answer') FROM vibe.request_revision(:task, 'Shorter, please.', 1, agent_name => 'agent-3', lock_token => :'token') r;
SELECT is(t.work(:task), '1 ready', 'step 1 is ready again');
SELECT is(row(x.status, x.step, x.revision_count, x.rejection_notes)::text, '(revision_needed,1,1,"Shorter, please.")', 'the task') FROM vibe.tasks x WHERE id = :task;
SELECT is(row(r.outcome, r.notes)::text, '(revise,"Shorter, please.")', 'the reviewer''s run') FROM vibe.runs r WHERE id = :run_id;
SELECT is((SELECT string_agg(superseded::text, ' ' ORDER BY id) FROM vibe.runs WHERE task_id = :task), 'true true true', 'what was made is superseded, and kept');
SELECT run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'run'::jsonb ->> 'revision_notes', 'Shorter, please.', 'the notes reach the next run');
SELECT is((SELECT revision FROM vibe.runs WHERE id = (:'run'::jsonb ->> 'run_id')::bigint), 1, 'which belongs to round 1');
SELECT t.finish((:'run'::jsonb ->> 'run_id')::bigint) \g /dev/null
SELECT is(row(x.status, x.rejection_notes)::text, '(drafted,)', 'done again: the notes are gone') FROM vibe.tasks x WHERE id = :task;

SELECT * FROM finish();
ROLLBACK;
