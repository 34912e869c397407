-- A tour of the API as a dashboard uses it: from a project to finished articles.
SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
SET timezone = 'UTC';
-- A clock that stands still, so that what is printed stays the same.
SET vibe_orchestrator.fake_now = '2030-01-01 12:00+00';

SELECT * FROM vibe.create_project(slug => 'acme', name => 'Acme Corp', root_path => '/srv/acme');
SELECT * FROM vibe.create_campaign(project_id => 1, slug => 'spring', name => 'Spring', pipeline_slug => 'full-content-production',
    target_article_count => 3, seed_keywords => ARRAY['How to prune roses', 'Garden soil'], deliverables => '{"heroImage": true, "socialX": false}');
SELECT * FROM vibe.activate_campaign(1);
SELECT id, number, title, slug, status, step, priority FROM vibe.tasks ORDER BY id;
SELECT task_id, task, branch, step, agent, waits_for FROM vibe.queue;

-- An agent that was started by hand takes its step, renews its lock and is done. The token is shown once.
SELECT run_id, lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-keyword-researcher') \gset
SELECT acquired, reason, locked_by FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-keyword-researcher');
SET vibe_orchestrator.fake_now = '2030-01-01 12:04+00';
SELECT * FROM vibe.renew_lock(run_id => :run_id, lock_token => :'lock_token');
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-keyword-researcher', lock_token => :'lock_token',
    summary => 'Twelve keywords.', output => '{"keywords": 12}', output_path => 'research/how-to-prune-roses.md');
-- Its answer was lost on the way: it asks again and gets the same one.
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-keyword-researcher', lock_token => :'lock_token');

-- The dispatcher does the same in batches; this is what it does for one step of each task.
CREATE FUNCTION dispatch(how_many integer, record jsonb) RETURNS TABLE (task_id bigint, branch text, step integer, agent text, accepted boolean, file text)
LANGUAGE plpgsql AS $$
DECLARE claimed record;
BEGIN
    FOR claimed IN SELECT * FROM vibe._claim_runs('{default}', ARRAY[how_many], how_many) LOOP
        task_id := claimed.run ->> 'task_id';
        branch := claimed.run ->> 'branch';
        step := claimed.run ->> 'step';
        agent := claimed.run ->> 'agent';
        SELECT f.accepted, f.publish_path INTO accepted, file FROM vibe._finish_run(claimed.run_id, record::text) f;
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM dispatch(3, '{"outcome": "done", "exit_code": 0, "result": {"summary": "Fine."}, "usage": {"input_tokens": 1000, "output_tokens": 200, "cost_usd": 0.02}}');
SELECT * FROM dispatch(1, '{"outcome": "done", "result": {"summary": "The draft.", "output_path": "drafts/how-to-prune-roses.md"}, "usage": {"cost_usd": 0.1}}');
SELECT task_id, branch, step, agent, waits_for FROM vibe.queue;

-- The reviewer sends the draft back. The branches of the old draft that are not done start again with the new one.
SELECT run_id, lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-content-reviewer') \gset
SELECT * FROM vibe.request_revision(task_id => 1, notes => 'Say when to prune.', target_step => 3, agent_name => 'vibe-content-reviewer', lock_token => :'lock_token');
SELECT jsonb_pretty(vibe.get_task_pipeline_status(1));
SELECT vibe.get_run_input(run_id, lock_token) ->> 'revision_notes' AS notes_for_the_writer,
       jsonb_path_query_array(vibe.get_run_input(run_id, lock_token), '$.inputs[*].label') AS inputs
  FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-content-writer');
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-content-writer', summary => 'A better draft.');

-- A pause: nothing starts. Somebody resumes.
SELECT * FROM vibe.pause_campaign(1);
SELECT * FROM dispatch(10, '{"outcome": "done"}');
SELECT task_id, branch, step, waits_for FROM vibe.queue;
SELECT * FROM vibe.resume_campaign(1);

-- A failure is tried again; what needs a person waits for one.
SELECT * FROM dispatch(1, '{"outcome": "auth", "error": "401 from the provider"}');
SELECT message FROM vibe.activities WHERE kind = 'task_blocked';
SELECT id, status FROM vibe.tasks ORDER BY id;
SELECT r.* FROM vibe.work w, vibe.retry_step(task_id => w.task_id, branch => w.branch, note => 'The key is new.') r WHERE w.waiting_for = 'person';

-- The third article is given up, the others are finished.
SELECT * FROM vibe.cancel_task(3, 'off topic');
SET vibe_orchestrator.fake_now = '2030-01-01 13:00+00';
SELECT * FROM dispatch(10, '{"outcome": "done", "result": {"score": 88}, "usage": {"cost_usd": 0.05}}') ORDER BY task_id, branch;
SELECT * FROM dispatch(10, '{"outcome": "done", "result": {"score": 90}}') ORDER BY task_id, branch;
SELECT * FROM vibe.campaign_progress(1) \gx
SELECT task_id, branch, step, agent FROM dispatch(10, '{"outcome": "done", "result": {"score": 91}}') ORDER BY task_id, branch;
SELECT task_id, branch, step, agent FROM dispatch(10, '{"outcome": "done", "result": {"score": 92}}');
SELECT id, title, status, step, quality_score, revision_count FROM vibe.tasks ORDER BY id;
SELECT total, done, cancelled, revisions, steps_done, steps_total, cost_usd, seconds_left, status FROM vibe.campaign_progress(1);
SELECT * FROM vibe.sweep();
SELECT kind, message FROM vibe.activities ORDER BY id;
DROP FUNCTION dispatch;
DROP EXTENSION vibe_orchestrator;
