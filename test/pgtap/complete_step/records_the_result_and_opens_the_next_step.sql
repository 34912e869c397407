BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "drafts"}}')) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT is(row(s.*)::text, '(t,2,agent-2,drafted,f)', 'the answer') FROM vibe.complete_step(task_id => :task, agent_name => 'agent-1', lock_token => :'token',
    output => '{"words": 900}', quality_score => 82.5, output_path => 'drafts/x.md', summary => 'A draft.') s;
SELECT is(row(r.outcome, r.output, r.quality_score, r.output_path, r.summary, r.closed_at = r.ended_at)::text, '(done,"{""words"": 900}",82.5,drafts/x.md,"A draft.",t)', 'the run') FROM vibe.runs r WHERE id = :run_id;
SELECT is(row(x.status, x.step, x.quality_score, x.ended_at)::text, '(drafted,2,82.5,)', 'the task: its status comes from the output directory') FROM vibe.tasks x WHERE id = :task;
SELECT is(t.work(:task), '2 ready', 'the next step');
SELECT is(t.campaign_status(:c), 'active', 'the campaign goes on');
SELECT is((SELECT agent_name FROM vibe.work WHERE task_id = :task), 'agent-2', 'with its own agent');

SELECT * FROM finish();
ROLLBACK;
