-- References that no foreign key holds, because it would cost more than the row that it guards.
--
-- A foreign key looks at both ends. Where tasks and work are written, the verbs' own locks do that: a task takes its
-- project and its pipeline version from its campaign, whose row is locked and has foreign keys to both, and without a
-- campaign from a project and a pipeline that are locked; it begins in a status that came with the extension, and
-- the trigger of 30_transitions.sql lets it into those alone that vibe.task_transitions, by foreign key, knows. Work is
-- written by whoever made its task or holds the lock of its row. The other end, what is deleted while others refer to
-- it, is looked after here, whoever deletes.

-- Arguments: the column of vibe.tasks, and the key that it refers to.
CREATE FUNCTION vibe._refuse_while_tasks_refer()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key text := CASE WHEN TG_LEVEL = 'ROW' THEN to_jsonb(OLD) ->> TG_ARGV[1] END;
    referred boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.%I %s)', TG_ARGV[0],
        coalesce('= ' || quote_literal(key), 'IS NOT NULL')) INTO referred;
    IF referred THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('%s of "%s" would leave tasks behind that refer to it', lower(TG_OP), TG_TABLE_NAME),
            DETAIL = format('%s is still referred to by tasks.%s.', coalesce(format('Key %s=%s', TG_ARGV[1], key), 'A row'), TG_ARGV[0]),
            SCHEMA = 'vibe', TABLE = 'tasks', COLUMN = TG_ARGV[0];
    END IF;
    IF TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION vibe._refuse_while_tasks_refer() IS 'Refuses to delete what a task refers to, or to change its key. Raises 23503.';

CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.projects
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('project_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.campaigns
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('campaign_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF id ON vibe.pipeline_versions
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('pipeline_version_id', 'id');
CREATE TRIGGER stays_while_tasks_refer_to_it
    BEFORE DELETE OR UPDATE OF status ON vibe.task_statuses
    FOR EACH ROW EXECUTE FUNCTION vibe._refuse_while_tasks_refer('status', 'status');

-- After: what is truncated in the same statement is empty by then.
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.projects
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('project_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.campaigns
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('campaign_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.pipeline_versions
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('pipeline_version_id', 'id');
CREATE TRIGGER stay_while_tasks_refer_to_them
    AFTER TRUNCATE ON vibe.task_statuses
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._refuse_while_tasks_refer('status', 'status');

CREATE FUNCTION vibe._drop_work_of_tasks()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE vibe.work;
    ELSE
        DELETE FROM vibe.work w WHERE w.task_id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._drop_work_of_tasks() IS 'Work goes with its task.';

CREATE TRIGGER work_goes_with_its_task
    AFTER DELETE ON vibe.tasks
    FOR EACH ROW EXECUTE FUNCTION vibe._drop_work_of_tasks();
CREATE TRIGGER work_goes_with_all_tasks
    AFTER TRUNCATE ON vibe.tasks
    FOR EACH STATEMENT EXECUTE FUNCTION vibe._drop_work_of_tasks();
