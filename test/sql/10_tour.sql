-- A tour of the API as a dashboard uses it: from a project to finished articles.
SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
SET timezone = 'UTC';
-- A clock that stands still, so that what is printed stays the same.
SET vibe_orchestrator.fake_now = '2030-01-01 12:00+00';

-- == A project, and a pipeline of one's own
SELECT * FROM vibe.create_project(slug => 'acme', name => 'Acme Corp', root_path => '/srv/acme');
SELECT slug, name, description FROM vibe.update_project(id => 1, changes => '{"name": "Acme", "description": "Garden tools"}');
SELECT slug, name, campaign_count FROM vibe.list_projects();
SELECT id FROM vibe.get_project_by_slug('acme');
SELECT * FROM vibe.validate_pipeline('{"main_steps": [{"order": 0, "label": "Created"}, {"order": 1, "label": "Write", "agent": "vibe-content-writer"}]}');
SELECT slug, version, main_steps, branches FROM vibe.create_pipeline(slug => 'note', name => 'A short note',
    definition => '{"main_steps": [{"order": 0, "label": "Created"}, {"order": 1, "label": "Write", "agent": "vibe-content-writer", "output_dir": "drafts"}]}');

-- == A campaign is planned, changed and activated: the click that starts everything
SELECT id, status, pipeline_slug, pipeline_version, target_article_count FROM vibe.create_campaign(project_id => 1, slug => 'spring', name => 'Spring',
    pipeline_slug => 'full-content-production', seed_keywords => ARRAY['How to prune roses', 'Garden soil'], deliverables => '{"heroImage": true, "socialX": false}');
SELECT target_article_count, max_parallel, budget_usd FROM vibe.update_campaign(id => 1, changes => '{"target_article_count": 3, "max_parallel": 4, "budget_usd": 20}');
SELECT * FROM vibe.activate_campaign(1);
-- A second click creates nothing.
SELECT * FROM vibe.activate_campaign(1);

-- == The lists of a dashboard
SELECT id, slug, status, task_count, completed_task_count FROM vibe.list_campaigns(project_id => 1);
SELECT id, slug FROM vibe.list_active_campaigns();
SELECT status, task_count, blocked_task_count FROM vibe.get_campaign_by_slug('spring');
SELECT id, number, title, slug, status, step_label, agent_name, state, priority FROM vibe.list_tasks(campaign_id => 1, max_rows => 2);
SELECT id, title FROM vibe.list_tasks(campaign_id => 1, max_rows => 2, after_id => 2);
SELECT status, task_count FROM vibe.count_tasks_by_status(campaign_id => 1) WHERE task_count > 0;
SELECT task_id, task, branch, step, agent, waits_for FROM vibe.queue;

-- == A task is opened, described, assigned and watched
SELECT title, keyword, description FROM vibe.update_task(id => 1, changes => '{"description": "For beginners."}');
SELECT priority FROM vibe.set_priority(task_id => 1, priority => 'high');
SELECT assignees FROM vibe.assign_task(id => 1, agent_names => ARRAY['vibe-content-writer', 'vibe-humanizer']);
SELECT assignees FROM vibe.unassign_task(id => 1, agent_names => ARRAY['vibe-humanizer']);
SELECT subscribers FROM vibe.add_subscriber(task_id => 1, name => 'ann@example.org');
SELECT subscribers FROM vibe.remove_subscriber(task_id => 1, name => 'ann@example.org');

-- == An agent that was started by hand takes its step, renews its lock and is done. The token is shown once.
SELECT run_id, lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-keyword-researcher') \gset
SELECT acquired, reason, locked_by FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-keyword-researcher');
SELECT state, run_id IS NOT NULL AS is_held FROM vibe.get_task(1);
SET vibe_orchestrator.fake_now = '2030-01-01 12:04+00';
SELECT * FROM vibe.renew_lock(run_id => :run_id, lock_token => :'lock_token');
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-keyword-researcher', lock_token => :'lock_token',
    summary => 'Twelve keywords.', output => '{"keywords": 12}', output_path => 'research/how-to-prune-roses.md');
-- Its answer was lost on the way: it asks again and gets the same one.
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-keyword-researcher', lock_token => :'lock_token');

-- == The dispatcher does the same in batches; this is what it does for one step of each task.
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
SELECT task_id, title, deliverable, branch, state FROM vibe.tasks_with_incomplete_deliverables(campaign_id => 1);

-- == A pause: nothing starts, and nobody gets in by hand. Somebody resumes.
SELECT * FROM vibe.pause_campaign(1);
SELECT * FROM dispatch(10, '{"outcome": "done"}');
SELECT acquired, reason FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-content-reviewer');
SELECT task_id, branch, step, waits_for FROM vibe.queue;
SELECT * FROM vibe.resume_campaign(1);

-- == The reviewer sends the draft back. The branches of the old draft that are not done start again with the new one.
SELECT run_id, lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-content-reviewer') \gset
SELECT * FROM vibe.request_revision(task_id => 1, notes => 'Say when to prune.', target_step => 3, agent_name => 'vibe-content-reviewer', lock_token => :'lock_token');
SELECT jsonb_pretty(vibe.get_task_pipeline_status(1));
SELECT jsonb_pretty(vibe.get_step_details(task_id => 1, step => 3));
SELECT run_id, lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'vibe-content-writer') \gset
SELECT vibe.get_run_input(:run_id, :'lock_token') ->> 'revision_notes' AS notes_for_the_writer,
       jsonb_path_query_array(vibe.get_run_input(:run_id, :'lock_token'), '$.inputs[*].label') AS inputs;
-- The writer sees that more is to be done, and says so once, however often it is sent.
SELECT id, number, title, priority, state FROM vibe.create_task(project_id => 1, title => 'When to prune roses', campaign_id => 1, priority => 'low',
    idempotency_key => 'roses-2', run_id => :run_id, lock_token => :'lock_token');
SELECT id, title FROM vibe.create_task(project_id => 1, title => 'When to prune roses', campaign_id => 1, idempotency_key => 'roses-2', run_id => :run_id, lock_token => :'lock_token');
SELECT * FROM vibe.complete_step(task_id => 1, agent_name => 'vibe-content-writer', summary => 'A better draft.');
-- A task of no campaign, through one's own pipeline.
SELECT id, campaign_id, number, title, pipeline_slug, state FROM vibe.create_task(project_id => 1, title => 'A note', pipeline_slug => 'note');

-- == A failure is tried again; what needs a person waits for one.
SELECT task_id, branch, agent FROM dispatch(1, '{"outcome": "auth", "error": "401 from the provider"}');
SELECT message FROM vibe.list_activities(campaign_id => 1) WHERE kind = 'task_blocked';
SELECT id, status FROM vibe.list_tasks(campaign_id => 1);
SELECT r.* FROM vibe.work w, vibe.retry_step(task_id => w.task_id, branch => w.branch, note => 'The key is new.') r WHERE w.waiting_for = 'person';
SELECT status, state, waiting_for FROM vibe.set_task_status(id => 1, status => 'blocked', reason => 'Ann reads it first.');
SELECT status, state, waiting_for FROM vibe.set_task_status(id => 1, status => 'drafted', reason => 'Ann likes it.');

-- == What is given up, and what is gone
SELECT * FROM vibe.cancel_task(3, 'off topic');
SELECT * FROM vibe.cancel_tasks(filter => '{"campaign_id": 1, "priority": "low"}', reason => 'later');
SELECT * FROM vibe.delete_task(id => 4);
SELECT title, status FROM vibe.set_task_status(id => 5, status => 'completed', reason => 'written by hand');

-- == The others are finished: the dispatcher goes on until nothing is left.
SET vibe_orchestrator.fake_now = '2030-01-01 13:00+00';
SELECT task_id, branch, step, agent, accepted, file FROM dispatch(10, '{"outcome": "done", "result": {"score": 88}, "usage": {"cost_usd": 0.05}}') ORDER BY task_id, branch;
SELECT task_id, branch, step, agent, accepted, file FROM dispatch(10, '{"outcome": "done", "result": {"score": 90}}') ORDER BY task_id, branch;
SELECT * FROM vibe.campaign_progress(1) \gx
SELECT task_id, branch, step, agent FROM dispatch(10, '{"outcome": "done", "result": {"score": 91}}') ORDER BY task_id, branch;
SELECT task_id, branch, step, agent FROM dispatch(10, '{"outcome": "done", "result": {"score": 92, "summary": "The article."}}');
SELECT id, title, status, step, quality_score, revision_count FROM vibe.list_tasks(project_id => 1);
SELECT vibe.check_campaign_completion(1);
SELECT total, done, cancelled, revisions, steps_done, steps_total, cost_usd, seconds_left, status FROM vibe.campaign_progress(1);

-- == What was made
SELECT o ->> 'kind' AS kind, o ->> 'label' AS label, o ->> 'publishedPath' AS published, o ->> 'score' AS score
  FROM jsonb_path_query(vibe.campaign_manifest(1), '$.tasks[0].outputs[*]') o;
SELECT jsonb_pretty(vibe.campaign_manifest(1) -> 'totals');

-- == One article more, and the end
SET vibe_orchestrator.fake_now = '2030-01-02 09:00+00';
SELECT * FROM vibe.reopen_campaign(1);
SELECT * FROM vibe.sweep();
SELECT * FROM vibe.extend_campaign(id => 1, how_many => 1);
SELECT * FROM vibe.generate_tasks(campaign_id => 1, how_many => 1);
SELECT title, state FROM vibe.list_tasks(campaign_id => 1, status => 'backlog');
SELECT * FROM vibe.cancel_tasks('{"campaign_id": 1}');
SELECT * FROM vibe.complete_campaign(1);
SELECT slug, archived_at FROM vibe.archive_project(1);
SELECT slug FROM vibe.list_projects();

-- == The feed, from the beginning; a reader goes on after the last id it has seen.
SELECT kind, task_id AS task, message FROM vibe.list_activities(project_id => 1, after_id => 0, max_rows => 1000);
DROP FUNCTION dispatch;
DROP EXTENSION vibe_orchestrator;
