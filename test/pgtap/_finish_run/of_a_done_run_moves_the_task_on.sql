BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "drafts"}}')) AS c \gset
SELECT t.task(:c) AS task, t.claim() AS run \gset
SELECT is(row(f.*)::text, format('(t,/srv/test/projects/%s/campaigns/%s/drafts/task-1.md)', p.slug, c.slug), 'accepted, with the place of its file')
  FROM vibe.campaigns c JOIN vibe.projects p ON p.id = c.project_id,
       t.finish(:run, 'done', '{"result": {"summary": "Done.", "output": {"a": [1]}, "score": 82.5, "output_path": "drafts/x.md"}, "session": "s1", "stdout_tail": "out", "stderr_tail": "err",
           "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_tokens": 3, "cache_write_tokens": 4, "cost_usd": 0.125}, "leftover_processes": 2}') f WHERE c.id = :c;
SELECT is((SELECT row(outcome, summary, output, quality_score, output_path)::text FROM vibe.runs WHERE id = :run), '(done,Done.,"{""a"": [1]}",82.5,drafts/x.md)', 'its result');
SELECT is((SELECT row(exit_code, session_id, output_tail, error_tail, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, leftover_processes)::text FROM vibe.runs WHERE id = :run),
    '(0,s1,out,err,1,2,3,4,0.12500000,2)', 'its end');
SELECT is(t.work(:task) || ' ' || t.status(:task), '2 ready drafted');
SELECT is((SELECT answer FROM vibe.runs WHERE id = :run), '{"next_step": 2, "next_agent": "agent-2", "task_status": "drafted", "task_completed": false}', 'the answer is kept for a caller with its token');
SELECT is((SELECT run #> '{inputs,0}' FROM vibe._claim_runs('{default}', '{1}', 1)), '{"branch": "", "step": 1, "label": "Step 1", "agent": "agent-1", "output_dir": "drafts", "summary": "Done.", "output": {"a": [1]}, "output_path": "drafts/x.md", "score": 82.5}', 'the next step is told');

SELECT * FROM finish();
ROLLBACK;
