-- Verbs of a person who moves the queue by hand: one step first, many parked steps again, and what would start now.

-- Raises what forbids one step to start now; a back-off does not.
CREATE FUNCTION vibe._check_dispatchable(task vibe.tasks, item vibe.work, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    provider vibe.providers;
    forbids vibe.reason_info;
    live bigint := (SELECT r.id FROM vibe.runs r WHERE r.task_id = item.task_id AND r.branch = item.branch AND r.ended_at IS NULL);
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = task.campaign_id;
    IF campaign.status NOT IN ('active', 'in_revision') THEN
        PERFORM vibe._campaign_not_active(campaign);
    ELSIF live IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB010',
            MESSAGE = CASE WHEN item.state = 'held' THEN 'the step is being done now' ELSE 'the process of its previous run has not ended yet' END,
            DETAIL = format('Run %s has task %s, branch %L.', live, task.id, item.branch),
            HINT = format('SELECT * FROM vibe.cancel_run(%s); stops it; else wait for its end.', live);
    ELSIF item.waiting_for <> 'back_off' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('the step waits for %s', CASE item.waiting_for WHEN 'person' THEN 'a person' ELSE item.waiting_for END),
            DETAIL = format('Task %s, branch %L, step %s.', task.id, item.branch, item.step),
            HINT = CASE item.waiting_for
                WHEN 'approval' THEN format('SELECT * FROM vibe.approve_step(task_id => %s, branch => %L);', task.id, item.branch)
                WHEN 'person' THEN format('SELECT * FROM vibe.retry_step(task_id => %s, branch => %L);', task.id, item.branch)
                ELSE 'It goes on when its branches are done or cancelled.' END;
    END IF;
    provider := vibe._provider_of(item);
    forbids := coalesce(vibe._why_paused(item, provider, at), vibe._why_no_slot(item, provider, at));
    IF forbids.code IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB034',
            MESSAGE = 'a pause or a limit forbids this step to start now',
            DETAIL = forbids.reason,
            HINT = forbids.next_call;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_dispatchable(vibe.tasks, vibe.work, timestamptz) IS 'Raises why a step cannot start now: VB010 (a run has it), VB020 (gate, branches, person), VB021 (campaign), VB034 (a pause or a limit).';

CREATE FUNCTION vibe.dispatch_agent(task_id bigint, branch text DEFAULT '')
    RETURNS TABLE (step integer, agent_name text, was_backing_off boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(dispatch_agent.task_id);
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(dispatch_agent.branch, '') FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, dispatch_agent.branch, NULL,
            CASE WHEN dispatch_agent.branch = ANY (task.cancelled_branches)
                 THEN format('It was cancelled; SELECT * FROM vibe.retry_step(task_id => %s, branch => %L); opens it again.', task.id, dispatch_agent.branch)
                 ELSE format('It is not open; the task is %s.', task.status) END);
    END IF;
    PERFORM vibe._check_dispatchable(task, item, at);
    UPDATE vibe.work w SET state = 'ready', waiting_for = NULL, ready_at = NULL, priority = -1, since = at
     WHERE w.task_id = task.id AND w.branch = item.branch;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT item.step, item.agent_name, item.state = 'waiting';
END
$$;
COMMENT ON FUNCTION vibe.dispatch_agent(bigint, text) IS 'Has one agent do one step now: ends its back-off, puts it before everything else in the queue and wakes the dispatcher, which starts it with its next turn. What comes after it has the task''s own priority again. Locks the task row. Raises VB003, VB007 (not open), VB010 (a run has it), VB020 (waits for a gate, branches or a person), VB021 (campaign not active), VB022, VB034 (a pause or a limit: which stands in DETAIL).';

-- One index probe per distinct (campaign, agent), as the claim does it, and in the claim's order.
CREATE FUNCTION vibe.list_ready_tasks(project_id bigint DEFAULT NULL, agent_name text DEFAULT NULL, max_rows integer DEFAULT 100)
    RETURNS TABLE (task_id bigint, branch text, step integer, step_label text, agent text, title text,
                   campaign_id bigint, priority text, since timestamptz)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    last_served bigint := coalesce((SELECT r.campaign_id FROM vibe.runs r ORDER BY r.id DESC LIMIT 1), 0);
BEGIN
    IF (list_ready_tasks.max_rows BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_rows', list_ready_tasks.max_rows::text, 'Use 1 to 1000.');
    END IF;
    RETURN QUERY
    WITH RECURSIVE head AS (
        (SELECT w.agent_name, w.priority, w.campaign_id FROM vibe.work w WHERE w.state = 'ready'
          ORDER BY w.agent_name, w.priority, w.campaign_id LIMIT 1)
        UNION ALL
        SELECT following.agent_name, following.priority, following.campaign_id
          FROM head h
         CROSS JOIN LATERAL (
            SELECT w.agent_name, w.priority, w.campaign_id FROM vibe.work w
             WHERE w.state = 'ready' AND (w.agent_name, w.priority, w.campaign_id) > (h.agent_name, h.priority, h.campaign_id)
             ORDER BY w.agent_name, w.priority, w.campaign_id LIMIT 1) following
    ), lane AS (
        SELECT h.campaign_id, h.agent_name, h.priority,
               (SELECT count(*) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.campaign_id = h.campaign_id) AS load
          FROM head h
          JOIN vibe.current_agents a ON a.name = h.agent_name AND a.paused_at IS NULL
          LEFT JOIN vibe.campaigns c ON c.id = h.campaign_id
         WHERE (h.campaign_id = 0 OR c.status IN ('active', 'in_revision'))
           AND (list_ready_tasks.agent_name IS NULL OR h.agent_name = list_ready_tasks.agent_name)
           AND (list_ready_tasks.project_id IS NULL OR h.campaign_id = 0 OR c.project_id = list_ready_tasks.project_id)
    ), candidate AS (
        SELECT l.campaign_id, first.*,
               l.load + row_number() OVER (PARTITION BY l.campaign_id ORDER BY first.rank, first.since, first.task_id) AS turn
          FROM lane l
         CROSS JOIN LATERAL (
            SELECT w.task_id, w.branch, w.step, w.agent_name, t.title, t.priority, w.priority AS rank, w.since, t.pipeline_version_id
              FROM vibe.work w
              JOIN vibe.tasks t ON t.id = w.task_id
             WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority = l.priority AND w.campaign_id = l.campaign_id
               AND (list_ready_tasks.project_id IS NULL OR t.project_id = list_ready_tasks.project_id)
               AND NOT EXISTS (SELECT 1 FROM vibe.runs r
                                WHERE r.task_id = w.task_id AND r.branch = w.branch AND r.ended_at IS NULL)
             ORDER BY w.priority, w.since, w.task_id
             LIMIT list_ready_tasks.max_rows) first
    )
    SELECT c.task_id, c.branch, c.step, s.label, c.agent_name, c.title, nullif(c.campaign_id, 0), c.priority, c.since
      FROM candidate c
      JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id AND s.branch = c.branch AND s.step = c.step
     ORDER BY c.rank, c.turn, c.campaign_id <= last_served, c.campaign_id, c.since, c.task_id, c.branch
     LIMIT list_ready_tasks.max_rows;
END
$$;
COMMENT ON FUNCTION vibe.list_ready_tasks(bigint, text, integer) IS 'The steps that could start now, in the order in which they would: priority first, then the campaign with the fewest runs, then the longest wait. Limits are not looked at: why() tells of them. Leaves out what a pause holds or whose previous process has not ended; max_rows (100) is 1 to 1000. Raises VB030.';

-- Tables written: home, activities. Locks: the home row.
CREATE FUNCTION vibe.drain(draining boolean DEFAULT true)
    RETURNS TABLE (run_id bigint, agent_name text, task_id bigint, branch text, started_by text, since timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    IF drain.draining IS NULL THEN
        PERFORM vibe._invalid_argument('draining', NULL, 'Use true to stop claiming, false to go on.');
    END IF;
    PERFORM vibe._note_home();
    UPDATE vibe.home h SET draining_since = CASE WHEN drain.draining THEN at END
     WHERE (h.draining_since IS NOT NULL) <> drain.draining;
    IF FOUND THEN
        PERFORM vibe._record(CASE WHEN drain.draining THEN 'drain_begun' ELSE 'drain_ended' END,
            CASE WHEN drain.draining THEN 'Nothing is claimed any more.' ELSE 'Work is claimed again.' END, NULL, NULL, NULL);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT r.id, r.agent_name, r.task_id, r.branch, r.started_by, r.claimed_at
                   FROM vibe.runs r WHERE r.ended_at IS NULL ORDER BY r.id;
END
$$;
COMMENT ON FUNCTION vibe.drain(boolean) IS 'Before a restart: from now on nothing is claimed, by the dispatcher or from elsewhere, until drain(false). What runs goes on; the rows are what still does, none when all has ended. Locks the home row. Raises VB022, VB030.';
