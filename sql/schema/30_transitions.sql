-- The task's statuses and the legal ways between them, as data, and the trigger that holds every UPDATE to
-- them, whoever writes. A test compares the diagram with the rows.
--
-- diagram:begin
--   backlog         -> working | completed | revision_needed | blocked | cancelled
--   working         -> working | completed | revision_needed | blocked | cancelled
--   revision_needed -> backlog | working | completed | blocked | cancelled
--   blocked         -> backlog | working | completed | revision_needed | cancelled
--   completed       -> revision_needed | blocked
--   cancelled       ->
-- working = researched | briefed | drafted | reviewed | humanized
-- diagram:end
--
-- Lock order of every verb, always in this order and with ids ascending: chores, task rows (FOR NO KEY UPDATE), work
-- rows, run rows, campaign row. What depends on other rows is read in a statement of its own after the locks.

INSERT INTO vibe.task_statuses (status, is_final, is_preset, description) VALUES
    ('backlog', false, true, 'nothing is done yet'),
    ('researched', false, true, 'research is done'),
    ('briefed', false, true, 'the brief is done'),
    ('drafted', false, true, 'a draft is done'),
    ('reviewed', false, true, 'the draft passed its review'),
    ('humanized', false, true, 'the final text is done'),
    ('revision_needed', false, true, 'an earlier step has to be done again'),
    ('blocked', false, true, 'waits for a person'),
    ('completed', true, true, 'all steps and branches are done'),
    ('cancelled', true, true, 'given up');

INSERT INTO vibe.output_statuses (output_dir, status, is_preset) VALUES
    ('research', 'researched', true),
    ('briefs', 'briefed', true),
    ('drafts', 'drafted', true),
    ('reviewed', 'reviewed', true),
    ('final', 'humanized', true);

WITH working(status) AS (
    VALUES ('researched'), ('briefed'), ('drafted'), ('reviewed'), ('humanized')
), rule(from_status, to_status) AS (
    VALUES ('backlog', 'working'), ('backlog', 'completed'), ('backlog', 'revision_needed'),
           ('backlog', 'blocked'), ('backlog', 'cancelled'),
           ('working', 'working'), ('working', 'completed'), ('working', 'revision_needed'),
           ('working', 'blocked'), ('working', 'cancelled'),
           ('revision_needed', 'backlog'), ('revision_needed', 'working'), ('revision_needed', 'completed'),
           ('revision_needed', 'blocked'), ('revision_needed', 'cancelled'),
           ('blocked', 'backlog'), ('blocked', 'working'), ('blocked', 'completed'),
           ('blocked', 'revision_needed'), ('blocked', 'cancelled'),
           ('completed', 'revision_needed'), ('completed', 'blocked')
)
INSERT INTO vibe.task_transitions (from_status, to_status, is_preset)
SELECT coalesce(f.status, rule.from_status), coalesce(t.status, rule.to_status), true
  FROM rule
  LEFT JOIN working f ON rule.from_status = 'working'
  LEFT JOIN working t ON rule.to_status = 'working'
 WHERE coalesce(f.status, rule.from_status) <> coalesce(t.status, rule.to_status);

CREATE FUNCTION vibe._require_transition(task_id bigint, from_status text, to_status text)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.task_transitions x
                    WHERE x.from_status = _require_transition.from_status AND x.to_status = _require_transition.to_status) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s cannot go from "%s" to "%s"', _require_transition.task_id,
                _require_transition.from_status, _require_transition.to_status),
            DETAIL = format('From "%s" a task may go to: %s.', _require_transition.from_status, coalesce(
                (SELECT string_agg(x.to_status, ', ' ORDER BY x.to_status)
                   FROM vibe.task_transitions x WHERE x.from_status = _require_transition.from_status), 'nothing')),
            HINT = 'Legal changes are rows of vibe.task_transitions; a status of your own needs rows there.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._require_transition(bigint, text, text) IS 'Raises VB020 for a change of a task''s status that vibe.task_transitions does not know, and names those it knows.';

CREATE FUNCTION vibe._check_transition()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._require_transition(OLD.id, OLD.status, NEW.status);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION vibe._check_transition() IS 'Refuses a change of tasks.status that vibe.task_transitions does not know. Raises VB020.';

-- UPDATE only: a restore inserts tasks in any status.
CREATE TRIGGER status_changes_are_legal
    BEFORE UPDATE OF status ON vibe.tasks
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION vibe._check_transition();
