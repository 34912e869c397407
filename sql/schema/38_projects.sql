-- Projects. None of these verbs touches work. What they return has a type of its own, so that a new column of a
-- table changes no caller.

CREATE TYPE vibe.project_info AS (
    id bigint, slug text, name text, description text, root_path text, campaign_count bigint,
    open_campaign_count bigint, created_at timestamptz, archived_at timestamptz);
COMMENT ON TYPE vibe.project_info IS 'A project with the number of its campaigns, as functions return it.';

CREATE FUNCTION vibe._project_infos(ids bigint[])
    RETURNS SETOF vibe.project_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.id, p.slug, p.name, p.description, p.root_path, c.total, c.open, p.created_at, p.archived_at
      FROM vibe.projects p
     CROSS JOIN LATERAL (
        SELECT count(*) AS total, count(*) FILTER (WHERE c.ended_at IS NULL) AS open
          FROM vibe.campaigns c WHERE c.project_id = p.id) c
     WHERE p.id = ANY (ids)
     ORDER BY p.slug;
END;
COMMENT ON FUNCTION vibe._project_infos(bigint[]) IS 'These projects, by slug.';

CREATE FUNCTION vibe.get_project(id bigint)
    RETURNS SETOF vibe.project_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._project_infos(ARRAY[get_project.id]);
END;
COMMENT ON FUNCTION vibe.get_project(bigint) IS 'One project, or no row.';

CREATE FUNCTION vibe.get_project_by_slug(slug text)
    RETURNS SETOF vibe.project_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._project_infos(ARRAY(SELECT p.id FROM vibe.projects p WHERE p.slug = get_project_by_slug.slug));
END;
COMMENT ON FUNCTION vibe.get_project_by_slug(text) IS 'One project, or no row.';

CREATE FUNCTION vibe.list_projects(include_archived boolean DEFAULT false)
    RETURNS SETOF vibe.project_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._project_infos(ARRAY(
        SELECT p.id FROM vibe.projects p WHERE list_projects.include_archived OR p.archived_at IS NULL));
END;
COMMENT ON FUNCTION vibe.list_projects(boolean) IS 'All projects by slug; those that were archived only with include_archived.';

-- One statement for all verbs that write a project, so that the same value is refused everywhere.
CREATE FUNCTION vibe._check_project(project vibe.projects)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF project.slug IS NULL OR project.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', project.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(project.name, '')) = '' THEN
        PERFORM vibe._invalid_argument('name', project.name, 'Give the project a name.');
    ELSIF project.root_path !~ E'^/[^\x01-\x1f]*$' OR project.root_path ~ '(^|/)[.][.]?(/|$)' THEN
        PERFORM vibe._invalid_argument('root_path', project.root_path,
            'Use an absolute path without "." and "..", or NULL to publish nothing.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_project(vibe.projects) IS 'Raises VB030 for a project that cannot be stored.';

CREATE FUNCTION vibe.create_project(slug text, name text, description text DEFAULT NULL, root_path text DEFAULT NULL)
    RETURNS SETOF vibe.project_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    project vibe.projects;
BEGIN
    project.created_at := vibe._begin_verb();
    project.slug := create_project.slug;
    project.name := create_project.name;
    project.description := create_project.description;
    project.root_path := create_project.root_path;
    PERFORM vibe._check_project(project);
    INSERT INTO vibe.projects AS p (slug, name, description, root_path, created_at)
    VALUES (project.slug, project.name, project.description, project.root_path, project.created_at)
    ON CONFLICT ON CONSTRAINT projects_slug_key DO NOTHING
    RETURNING p.id INTO project.id;
    IF project.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a project with this slug exists already',
            DETAIL = format('The slug is "%s".', project.slug),
            HINT = format('SELECT * FROM vibe.get_project_by_slug(%L) shows it; choose another slug for a new one.', project.slug);
    END IF;
    RETURN QUERY SELECT * FROM vibe._project_infos(ARRAY[project.id]);
END
$$;
COMMENT ON FUNCTION vibe.create_project(text, text, text, text) IS 'Creates a project. root_path is the absolute directory below which finished files are published, NULL for none. Raises VB022, VB030 (invalid argument), VB032 (slug taken).';

CREATE FUNCTION vibe._project_not_found(project_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB001',
        MESSAGE = 'project not found',
        DETAIL = format('There is no project with id %s.', coalesce(project_id::text, 'NULL')),
        HINT = 'SELECT * FROM vibe.list_projects() lists them; vibe.create_project(slug => …, name => …) creates one.';
END
$$;
COMMENT ON FUNCTION vibe._project_not_found(bigint) IS 'Raises VB001.';

CREATE FUNCTION vibe._lock_project(project_id bigint)
    RETURNS vibe.projects
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    project vibe.projects;
BEGIN
    SELECT * INTO project FROM vibe.projects p WHERE p.id = _lock_project.project_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._project_not_found(_lock_project.project_id);
    END IF;
    RETURN project;
END
$$;
COMMENT ON FUNCTION vibe._lock_project(bigint) IS 'The project, locked FOR NO KEY UPDATE: the last lock of a verb, after the campaign''s. Raises VB001.';

-- Archiving and taking new work exclude each other: both lock the project row.
CREATE FUNCTION vibe._lock_project_in_use(project_id bigint)
    RETURNS vibe.projects
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    project vibe.projects := vibe._lock_project(project_id);
BEGIN
    IF project.archived_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB023',
            MESSAGE = format('project %s is archived', project.id),
            DETAIL = format('Project "%s" was archived at %s.', project.slug, project.archived_at),
            HINT = format('SELECT * FROM vibe.update_project(%s, ''{"archived": false}'') takes it back into use.', project.id);
    END IF;
    RETURN project;
END
$$;
COMMENT ON FUNCTION vibe._lock_project_in_use(bigint) IS 'The project, locked, if it may take campaigns and tasks. Raises VB001, VB023 (archived).';

CREATE FUNCTION vibe.update_project(id bigint, changes jsonb)
    RETURNS SETOF vibe.project_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    project vibe.projects;
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_fields('changes', update_project.changes, ARRAY['name', 'description', 'root_path', 'archived']);
    IF coalesce(changes -> 'archived', 'false') <> 'false' THEN
        PERFORM vibe._invalid_argument('archived', changes ->> 'archived',
            format('Use false to take it back into use; SELECT * FROM vibe.archive_project(%s) puts it away.', update_project.id));
    END IF;
    project := vibe._lock_project(update_project.id);
    project.name := vibe._text_field(changes, 'name', project.name);
    project.description := vibe._text_field(changes, 'description', project.description);
    project.root_path := vibe._text_field(changes, 'root_path', project.root_path);
    PERFORM vibe._check_project(project);
    UPDATE vibe.projects p
       SET name = project.name, description = project.description, root_path = project.root_path,
           archived_at = CASE WHEN NOT changes ? 'archived' THEN p.archived_at END
     WHERE p.id = project.id;
    PERFORM vibe._record('project_updated', format('Project "%s" was changed.', project.name), changes, project.id, NULL);
    RETURN QUERY SELECT * FROM vibe._project_infos(ARRAY[project.id]);
END
$$;
COMMENT ON FUNCTION vibe.update_project(bigint, jsonb) IS 'Changes the fields of a project that changes names: name, description, root_path (null publishes nothing; files that are published already stay where they are), archived (only false: takes an archived project back into use). Locks the project row. Raises VB001, VB022, VB030 (another field, invalid value).';

-- Tables written: projects, activities. Locks: the project row; what it depends on is read after that.
CREATE FUNCTION vibe.archive_project(id bigint)
    RETURNS SETOF vibe.project_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    project vibe.projects := vibe._lock_project(archive_project.id);
    open_campaigns bigint := (SELECT count(*) FROM vibe.campaigns c WHERE c.project_id = project.id AND c.ended_at IS NULL);
    open_tasks bigint := (SELECT count(*) FROM vibe.tasks t
        WHERE t.project_id = project.id AND t.campaign_id IS NULL AND t.ended_at IS NULL);
BEGIN
    IF open_campaigns + open_tasks > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('project %s still has work', project.id),
            DETAIL = format('Project "%s" has %s unfinished campaigns and %s open tasks without a campaign.', project.slug, open_campaigns, open_tasks),
            HINT = 'SELECT * FROM vibe.complete_campaign(id), vibe.cancel_campaign(id) or vibe.cancel_task(id) for each, then archive it.';
    END IF;
    IF project.archived_at IS NULL THEN
        UPDATE vibe.projects p SET archived_at = at WHERE p.id = project.id;
        PERFORM vibe._record('project_archived', format('Project "%s" was archived.', project.name), NULL, project.id, NULL);
    END IF;
    RETURN QUERY SELECT * FROM vibe._project_infos(ARRAY[project.id]);
END
$$;
COMMENT ON FUNCTION vibe.archive_project(bigint) IS 'Puts a project away: it takes no new campaigns or tasks; nothing of it is removed. A second call changes nothing. Locks the project row. Raises VB001, VB022, VB033 (unfinished campaigns, or open tasks without a campaign).';
