BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "drafts", "timeout": "90 min", "model": "opus"}}')) AS c \gset
SELECT * FROM vibe._claim_runs('{default}', '{5}', 5) \gset
SELECT is(:'runner'::text, 'default');
SELECT is(:'run'::jsonb - '{token,prompt,session,traceparent,campaign,project}'::text[], jsonb_build_object('contract', 1, 'kind', 'task', 'run_id', :'run_id', 'task_id', t.task(:c), 'branch', '', 'step', 1,
    'step_label', 'Step 1', 'attempt', 1, 'agent', 'agent-1', 'model', 'opus', 'campaign_id', :c, 'title', 'Test #1', 'slug', 'task-1', 'skill_path', NULL, 'skills', '[]'::jsonb,
    'output_dir', 'drafts', 'inputs', '[]'::jsonb, 'revision_notes', NULL, 'note', NULL, 'resume_session', NULL, 'resume_usage', NULL, 'timeout_s', 5400, 'budget_usd', NULL, 'price', NULL, 'deliverable', NULL));
SELECT is((SELECT token_hash FROM vibe.runs WHERE id = :run_id), sha256((:'run'::jsonb ->> 'token')::bytea), 'the token is only in the record');
SELECT is(row(r.started_by, r.runner, r.model, r.started_at, r.renewed_at, r.session_id = :'run'::jsonb ->> 'session')::text, '(dispatcher,default,opus,,,t)', 'the run') FROM vibe.runs r WHERE id = :run_id;
SELECT matches(:'run'::jsonb ->> 'traceparent', '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$');

SELECT * FROM finish();
ROLLBACK;
