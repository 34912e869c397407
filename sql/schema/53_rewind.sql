-- Going back: what a revision does to a task.

-- Tables written: work, runs, tasks, activities. Rewinds the main line; what was made from the target step on is
-- superseded but kept, what still runs there is stopped (except for asked_by, which closes itself), branches
-- triggered there that are not done are dropped and open again with their trigger.
CREATE FUNCTION vibe._rewind(
    task vibe.tasks, target_step integer, notes text, asked_by bigint, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most integer := coalesce((SELECT c.max_revisions FROM vibe.campaigns c WHERE c.id = task.campaign_id), 3);
    stopped bigint[];
    dropped text[];
    i bigint;
BEGIN
    SELECT s.agent_name INTO STRICT agent_name FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.step = target_step;
    revisions := task.revision_count + 1;
    is_blocked := revisions > most;
    -- A claim may be taking a row at this moment: wait for it, then see its run.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    stopped := ARRAY(SELECT w.run_id FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' AND w.run_id IS NOT NULL);
    WITH gone AS (
        DELETE FROM vibe.work w USING vibe.pipeline_steps s
         WHERE w.task_id = task.id AND w.branch <> '' AND s.pipeline_version_id = task.pipeline_version_id
           AND s.branch = w.branch AND s.trigger_after_step >= target_step
        RETURNING w.branch, w.run_id
    )
    SELECT stopped || coalesce(array_agg(g.run_id) FILTER (WHERE g.run_id IS NOT NULL), '{}'),
           coalesce(array_agg(g.branch), '{}')
      INTO stopped, dropped FROM gone g;
    PERFORM vibe._set_main_line(task, target_step, agent_name, CASE WHEN is_blocked THEN 'person' END, NULL, at);
    FOREACH i IN ARRAY array_remove(stopped, asked_by) LOOP
        PERFORM vibe._close_run(i, 'cancelled', 'superseded by a revision', at);
    END LOOP;
    -- Also what a dropped branch had made and nobody had approved: its gate must not pass as done.
    UPDATE vibe.runs r SET superseded = true
     WHERE r.task_id = task.id AND NOT r.superseded
       AND (r.branch = '' AND r.step >= target_step OR r.branch = ANY (dropped));
    UPDATE vibe.tasks t
       SET status = CASE WHEN is_blocked THEN 'blocked' ELSE 'revision_needed' END, step = target_step,
           revision_count = revisions, rejection_notes = notes, ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s" from step %s.', revisions, left(task.title, 200), target_step),
        jsonb_build_object('notes', notes, 'target_step', target_step, 'revision', revisions),
        task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        task.status := 'blocked';
        PERFORM vibe._block(task, '', format('revision %s exceeds the cap of %s', revisions, most), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._rewind(vibe.tasks, integer, text, bigint, timestamptz) IS 'Puts the main line back to an earlier step with notes, counts the round, and blocks the task at the cap.';
