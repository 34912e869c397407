-- Indexes. The partial unique one states a rule; the others are as narrow as the question they answer, so that
-- finished work costs open work nothing.

-- At most one process works in a workspace: a run blocks its (task, branch) until its end is recorded.
CREATE UNIQUE INDEX runs_one_live_run_per_branch_idx ON vibe.runs (task_id, branch) WHERE ended_at IS NULL;
-- What the limits count rides along, so that counting reads this small index and nothing else. By the order of claims:
-- vibe._live_runs_now() begins where the live ones do.
CREATE INDEX runs_live_idx ON vibe.runs (id) INCLUDE (task_id, branch, campaign_id, agent_name, provider, reserved_usd, claimed_at) WHERE ended_at IS NULL;
-- At most one of a heartbeat, or of a channel's notifier: they too have a workspace.
CREATE UNIQUE INDEX runs_one_live_run_per_chore_idx ON vibe.runs (agent_name, kind) WHERE ended_at IS NULL AND task_id IS NULL;
-- Closed runs whose process still has to go.
CREATE INDEX runs_closed_but_alive_idx ON vibe.runs (id) WHERE ended_at IS NULL AND closed_at IS NOT NULL;
-- Leases that can run out.
CREATE INDEX runs_leases_idx ON vibe.runs (renewed_at) WHERE started_by = 'hand' AND closed_at IS NULL;
CREATE INDEX runs_task_idx ON vibe.runs (task_id, branch, step);

-- A pipeline that was put away leaves its slug to another.
CREATE UNIQUE INDEX pipelines_slug_idx ON vibe.pipelines (slug) WHERE archived_at IS NULL;
-- Which steps name an agent: asked before it is deleted, also by the foreign key.
CREATE INDEX pipeline_steps_agent_idx ON vibe.pipeline_steps (agent_name);

-- The claim goes from agent to agent, from priority to priority and from campaign to campaign, one probe each.
CREATE INDEX work_ready_idx ON vibe.work (agent_name, priority, campaign_id, since, task_id) WHERE state = 'ready';
-- Over campaigns that are paused it leaps to the next one here.
CREATE INDEX campaigns_at_work_idx ON vibe.campaigns (id) WHERE status IN ('active', 'in_revision');
-- Whether there is any campaign with a limit or a ceiling: every claim asks.
CREATE INDEX campaigns_limited_idx ON vibe.campaigns (id)
    WHERE ended_at IS NULL AND num_nonnulls(max_parallel, budget_usd, task_budget_usd) > 0;
CREATE INDEX work_back_off_idx ON vibe.work (ready_at) WHERE waiting_for = 'back_off';
-- Whether an agent has work that waits for a person. A write that comes to this changes the keys of others anyway.
CREATE INDEX work_person_idx ON vibe.work (agent_name, task_id) WHERE waiting_for = 'person';
-- Pages of the queue, in the order in which people read it.
CREATE INDEX work_queue_idx ON vibe.work (priority, since, task_id, branch) WHERE state <> 'held';
-- The work of a campaign that is being paused or cancelled.
CREATE INDEX work_held_idx ON vibe.work (campaign_id) WHERE state = 'held';

CREATE INDEX tasks_open_idx ON vibe.tasks (campaign_id, id) WHERE ended_at IS NULL;
-- Slugs are file names: no two tasks whose files share a directory may have the same. Those that are a task's number,
-- as the slugs of most are, can only meet where numbers do, and numbers are drawn under the campaign's lock.
CREATE UNIQUE INDEX tasks_slug_in_campaign_idx ON vibe.tasks (campaign_id, slug)
    WHERE campaign_id IS NOT NULL AND slug <> 'task-' || number::text;
CREATE UNIQUE INDEX tasks_slug_in_project_idx ON vibe.tasks (project_id, slug) WHERE campaign_id IS NULL;
-- A key of a caller creates one task, however often and from wherever it is sent.
CREATE UNIQUE INDEX tasks_idempotency_idx ON vibe.tasks (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- The few tasks that belong to no campaign.
CREATE INDEX tasks_without_campaign_idx ON vibe.tasks (project_id, id) WHERE campaign_id IS NULL;
-- Pages of lists, and counts by status, are ranges of these; without a status, one range for each status there is.
CREATE INDEX tasks_project_status_idx ON vibe.tasks (project_id, status, id);
CREATE INDEX tasks_campaign_status_idx ON vibe.tasks (campaign_id, status, id);
CREATE INDEX campaigns_project_idx ON vibe.campaigns (project_id, id);
CREATE INDEX campaigns_project_status_idx ON vibe.campaigns (project_id, status, id);
CREATE INDEX campaigns_status_idx ON vibe.campaigns (status, id);
CREATE INDEX campaigns_open_idx ON vibe.campaigns (id) WHERE ended_at IS NULL;
-- Those that get their tasks in batches, the one that has waited longest first.
CREATE INDEX campaigns_in_batches_idx ON vibe.campaigns (updated_at, id) WHERE tasks_to_create IS NOT NULL;

-- The feed: activities, beginnings of runs and ends of runs are numbered by one sequence, and every scope that a
-- page can have is a range in each of the three.
CREATE INDEX activities_project_idx ON vibe.activities (project_id, id);
CREATE INDEX activities_campaign_idx ON vibe.activities (campaign_id, id);
CREATE INDEX activities_task_idx ON vibe.activities (task_id, id) WHERE task_id IS NOT NULL;
CREATE INDEX runs_campaign_claim_idx ON vibe.runs (campaign_id, claim_event);
CREATE INDEX runs_campaign_close_idx ON vibe.runs (campaign_id, close_event) WHERE close_event IS NOT NULL;
-- Also the last run of an agent.
CREATE INDEX runs_agent_claim_idx ON vibe.runs (agent_name, claim_event);
CREATE INDEX runs_agent_close_idx ON vibe.runs (agent_name, close_event) WHERE close_event IS NOT NULL;
CREATE INDEX usage_totals_day_idx ON vibe.usage_totals (day);
