-- Going back: what a revision does to a task.

CREATE FUNCTION vibe._max_revisions(task vibe.tasks)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((SELECT c.max_revisions FROM vibe.campaigns c WHERE c.id = task.campaign_id), 3);
END
$$;
COMMENT ON FUNCTION vibe._max_revisions(vibe.tasks) IS 'How many revisions a task may have before a person is asked; 3 without a campaign.';

-- The score of a step that is superseded says nothing about what comes next.
CREATE FUNCTION vibe._earned_score(task vibe.tasks)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT r.quality_score FROM vibe.runs r
         WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded AND r.quality_score IS NOT NULL
         ORDER BY r.step DESC, r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._earned_score(vibe.tasks) IS 'The score of the last main step that is done and still counts; NULL if none has one.';

-- Tables written: work, runs, agent_results. Everything that belongs to the task at or after a main step: what runs is stopped
-- (except for asked_by, which closes itself), what was made is superseded but kept. Branches triggered there that
-- are not done are dropped and open again with their trigger; those that are done stay done unless rerun_branches.
CREATE FUNCTION vibe._supersede(
    task vibe.tasks, target_step integer, notes text, rerun_branches boolean, asked_by bigint, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    triggered text[] := ARRAY(SELECT s.branch FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> '' AND s.trigger_after_step >= target_step);
    dropped text[];
    stopped bigint[];
BEGIN
    -- A claim may be taking a row at this moment: wait for it, then see its run.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    SELECT coalesce(array_agg(w.run_id) FILTER (WHERE w.run_id IS NOT NULL AND w.run_id IS DISTINCT FROM asked_by), '{}'),
           coalesce(array_agg(w.branch) FILTER (WHERE w.branch <> ''), '{}')
      INTO stopped, dropped
      FROM vibe.work w WHERE w.task_id = task.id AND (w.branch = '' OR w.branch = ANY (triggered));
    DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = ANY (dropped);
    PERFORM vibe._close_run(i, 'cancelled', 'superseded by a revision', at) FROM unnest(stopped) i;
    PERFORM vibe._add_results(task.id, -1);
    -- Also what a dropped branch had made and nobody had approved: its gate must not pass as done.
    UPDATE vibe.runs r
       SET superseded = true, notes = CASE WHEN rerun_branches AND r.branch <> '' THEN _supersede.notes ELSE r.notes END
     WHERE r.task_id = task.id AND NOT r.superseded
       AND (r.branch = '' AND r.step >= target_step OR r.branch = ANY (CASE WHEN rerun_branches THEN triggered ELSE dropped END));
    PERFORM vibe._add_results(task.id, 1);
    RETURN cardinality(stopped);
END
$$;
COMMENT ON FUNCTION vibe._supersede(vibe.tasks, integer, text, boolean, bigint, timestamptz) IS 'Stops and supersedes whatever a task has at or after a main step.';

-- Tables written: work, runs, agent_results, tasks, activities. Rewinds the main line. Where the target step has to wait for
-- branches triggered before it, it waits.
CREATE FUNCTION vibe._rewind(
    task vibe.tasks, target_step integer, notes text, rerun_branches boolean, asked_by bigint, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT s.agent_name INTO STRICT agent_name FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.step = target_step;
    revisions := task.revision_count + 1;
    is_blocked := revisions > vibe._max_revisions(task);
    PERFORM vibe._supersede(task, target_step, notes, rerun_branches, asked_by, at);
    PERFORM vibe._set_main_line(task, target_step, agent_name,
        CASE WHEN is_blocked THEN 'person' WHEN vibe._must_wait(task, target_step) THEN 'branches' END, NULL, at);
    UPDATE vibe.tasks t
       SET status = CASE WHEN is_blocked THEN 'blocked' ELSE 'revision_needed' END, step = target_step,
           revision_count = revisions, rejection_notes = notes, quality_score = vibe._earned_score(task),
           ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s" from step %s.', revisions, left(task.title, 200), target_step),
        jsonb_build_object('notes', notes, 'target_step', target_step, 'revision', revisions, 'rerun_branches', rerun_branches),
        task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        task.status := 'blocked';
        PERFORM vibe._block(task, '', format('revision %s exceeds the cap of %s', revisions, vibe._max_revisions(task)), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._rewind(vibe.tasks, integer, text, boolean, bigint, timestamptz) IS 'Puts the main line back to an earlier step with notes, counts the round, and blocks the task at the cap.';
