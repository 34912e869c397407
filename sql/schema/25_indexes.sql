-- Indexes. The partial unique one states a rule; the others are as narrow as the question they answer, so that
-- finished work costs open work nothing.

-- At most one process works in a workspace: a run blocks its (task, branch) until its end is recorded. What the
-- limits count rides along, so that counting reads this small index and nothing else.
CREATE UNIQUE INDEX runs_one_live_run_per_branch_idx ON vibe.runs (task_id, branch)
    INCLUDE (campaign_id, agent_name, provider) WHERE ended_at IS NULL;
-- At most one of a heartbeat, or of a channel's notifier: they too have a workspace.
CREATE UNIQUE INDEX runs_one_live_run_per_chore_idx ON vibe.runs (agent_name, kind) WHERE ended_at IS NULL AND task_id IS NULL;
-- Closed runs whose process still has to go.
CREATE INDEX runs_closed_but_alive_idx ON vibe.runs (id) WHERE ended_at IS NULL AND closed_at IS NOT NULL;
-- Leases that can run out.
CREATE INDEX runs_leases_idx ON vibe.runs (renewed_at) WHERE started_by = 'hand' AND closed_at IS NULL;
CREATE INDEX runs_task_idx ON vibe.runs (task_id, branch, step);

-- One entry per head of the queue: the claim walks the distinct (campaign, agent) pairs.
CREATE INDEX work_ready_idx ON vibe.work (campaign_id, agent_name, priority, since, task_id) WHERE state = 'ready';
CREATE INDEX work_back_off_idx ON vibe.work (ready_at) WHERE waiting_for = 'back_off';
-- The work of a campaign that is being paused or cancelled.
CREATE INDEX work_held_idx ON vibe.work (campaign_id) WHERE state = 'held';

CREATE INDEX tasks_open_idx ON vibe.tasks (campaign_id, id) WHERE ended_at IS NULL;
CREATE INDEX tasks_campaign_idx ON vibe.tasks (campaign_id, id);
CREATE INDEX campaigns_project_idx ON vibe.campaigns (project_id, id);
CREATE INDEX campaigns_open_idx ON vibe.campaigns (id) WHERE ended_at IS NULL;
CREATE INDEX activities_campaign_idx ON vibe.activities (campaign_id, id);
CREATE INDEX activities_task_idx ON vibe.activities (task_id, id) WHERE task_id IS NOT NULL;
