-- Verbs about pipelines. A version is never changed: whatever changes a definition adds the next version, and
-- campaigns and tasks stay with the one they were created with. Pipelines that came with the extension are
-- read-only; a fork of one is the user's own.
--
-- Every verb that changes a pipeline locks its row first, so that versions count 1, 2, 3 without a gap.

CREATE VIEW vibe.current_pipelines AS
    SELECT p.id, p.slug, p.name,
           CASE WHEN p.is_preset THEN 'preset' WHEN p.forked_from IS NOT NULL THEN 'fork' ELSE 'custom' END AS kind,
           p.category, p.description, v.number AS version, v.id AS version_id, v.definition, s.main_steps, s.branches,
           p.forked_from, p.archived_at, p.created_at, v.created_at AS updated_at
      FROM vibe.pipelines p
     CROSS JOIN LATERAL (SELECT v.id, v.number, v.definition, v.created_at FROM vibe.pipeline_versions v
                          WHERE v.pipeline_id = p.id ORDER BY v.number DESC LIMIT 1) v
     CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE s.branch = '') AS main_steps, count(*) FILTER (WHERE s.branch <> '') AS branches
                           FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = v.id) s;
COMMENT ON VIEW vibe.current_pipelines IS 'Pipelines, each with its current version; kind is preset, fork or custom. Archived ones too.';

CREATE TYPE vibe.pipeline_info AS (
    id bigint, slug text, name text, kind text, category text, description text, version integer,
    main_steps bigint, branches bigint, forked_from bigint, archived_at timestamptz, created_at timestamptz, updated_at timestamptz);
COMMENT ON TYPE vibe.pipeline_info IS 'A pipeline with the number and size of its current version, as functions return it.';

CREATE FUNCTION vibe._pipeline_info(id bigint)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.id, p.slug, p.name, p.kind, p.category, p.description, p.version, p.main_steps, p.branches,
           p.forked_from, p.archived_at, p.created_at, p.updated_at
      FROM vibe.current_pipelines p WHERE p.id = _pipeline_info.id;
END;
COMMENT ON FUNCTION vibe._pipeline_info(bigint) IS 'A pipeline as verbs return it.';

CREATE FUNCTION vibe._pipeline_not_found(id bigint, what text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB005',
        MESSAGE = 'pipeline not found',
        DETAIL = format('There is no pipeline with id %s%s.', coalesce(id::text, 'NULL'), what),
        HINT = 'SELECT * FROM vibe.list_pipelines() lists them, vibe.list_pipeline_versions(pipeline_id) the versions of one.';
END
$$;
COMMENT ON FUNCTION vibe._pipeline_not_found(bigint, text) IS 'Raises VB005.';

CREATE FUNCTION vibe._lock_own_pipeline(id bigint)
    RETURNS vibe.pipelines
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pipeline vibe.pipelines;
BEGIN
    SELECT * INTO pipeline FROM vibe.pipelines p WHERE p.id = _lock_own_pipeline.id AND p.archived_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._pipeline_not_found(_lock_own_pipeline.id, ' that is not archived');
    ELSIF pipeline.is_preset THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB036',
            MESSAGE = 'pipelines that came with the extension are read-only',
            DETAIL = format('Pipeline "%s" is one of them.', pipeline.slug),
            HINT = format('SELECT * FROM vibe.fork_pipeline(id => %s, new_slug => …, new_name => …) makes a copy of your own.', pipeline.id);
    END IF;
    RETURN pipeline;
END
$$;
COMMENT ON FUNCTION vibe._lock_own_pipeline(bigint) IS 'A pipeline that may be changed, locked FOR NO KEY UPDATE. Raises VB005, VB036 (came with the extension).';

CREATE FUNCTION vibe._pipeline_slug_taken(slug text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB032',
        MESSAGE = 'a pipeline with this slug exists already',
        DETAIL = format('The slug is "%s".', slug),
        HINT = 'Choose another slug; SELECT * FROM vibe.list_pipelines() lists them.';
END
$$;
COMMENT ON FUNCTION vibe._pipeline_slug_taken(text) IS 'Raises VB032.';

CREATE FUNCTION vibe._check_pipeline_names(slug text, name text, category text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF slug IS NULL OR slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(name, '')) = '' THEN
        PERFORM vibe._invalid_argument('name', name, 'Give the pipeline a name.');
    ELSIF btrim(category) = '' OR length(category) > 100 THEN
        PERFORM vibe._invalid_argument('category', category, 'Use 1 to 100 characters, or NULL for none.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_pipeline_names(text, text, text) IS 'Raises VB030 for a slug, name or category that cannot be one.';

-- Tables written: pipelines, pipeline_versions, pipeline_steps.
CREATE FUNCTION vibe._new_pipeline(
    slug text, name text, definition jsonb, description text, category text, forked_from bigint, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id bigint;
BEGIN
    PERFORM vibe._check_pipeline_names(_new_pipeline.slug, _new_pipeline.name, _new_pipeline.category);
    INSERT INTO vibe.pipelines AS p (slug, name, description, category, forked_from, created_at)
    VALUES (_new_pipeline.slug, _new_pipeline.name, _new_pipeline.description, _new_pipeline.category,
            _new_pipeline.forked_from, _new_pipeline.at)
    ON CONFLICT (slug) WHERE archived_at IS NULL DO NOTHING
    RETURNING p.id INTO new_id;
    IF new_id IS NULL THEN
        PERFORM vibe._pipeline_slug_taken(_new_pipeline.slug);
    END IF;
    PERFORM vibe._insert_version(new_id, _new_pipeline.definition, at);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION vibe._new_pipeline(text, text, jsonb, text, text, bigint, timestamptz) IS 'Stores a pipeline with its version 1. Raises VB030, VB031, VB032.';

CREATE FUNCTION vibe.create_pipeline(
    slug text, name text, definition jsonb, description text DEFAULT NULL, category text DEFAULT NULL
)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    new_id bigint;
BEGIN
    new_id := vibe._new_pipeline(create_pipeline.slug, create_pipeline.name, create_pipeline.definition,
        create_pipeline.description, create_pipeline.category, NULL, at);
    RETURN QUERY SELECT * FROM vibe._pipeline_info(new_id);
END
$$;
COMMENT ON FUNCTION vibe.create_pipeline(text, text, jsonb, text, text) IS 'Creates a pipeline and its version 1 from a definition {"main_steps": [{"order", "agent", "label", "model", "output_dir", "timeout", "max_attempts", "gate"}], "parallel_branches": [{"trigger_after_step", "agent", "label", "deliverable"}], "convergence_step", "on_complete"}; camelCase keys are read as well. Raises VB022, VB030 (invalid argument), VB031 (invalid definition), VB032 (slug taken).';

CREATE FUNCTION vibe.fork_pipeline(id bigint, new_slug text, new_name text DEFAULT NULL)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    origin vibe.current_pipelines;
    new_id bigint;
BEGIN
    SELECT * INTO origin FROM vibe.current_pipelines p WHERE p.id = fork_pipeline.id;
    IF NOT FOUND THEN
        PERFORM vibe._pipeline_not_found(fork_pipeline.id, '');
    END IF;
    new_id := vibe._new_pipeline(fork_pipeline.new_slug, coalesce(fork_pipeline.new_name, origin.name),
        origin.definition, origin.description, origin.category, origin.id, at);
    RETURN QUERY SELECT * FROM vibe._pipeline_info(new_id);
END
$$;
COMMENT ON FUNCTION vibe.fork_pipeline(bigint, text, text) IS 'Copies the current version of a pipeline, also of one that came with the extension or is archived, into a new one of your own, whose forked_from names it; without new_name the name stays. Raises VB005, VB022, VB030, VB032 (slug taken).';

-- The caller holds the lock of the pipeline's row. Tables written: pipeline_versions, pipeline_steps.
CREATE FUNCTION vibe._next_version(pipeline_id bigint, definition jsonb, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    before jsonb;
BEGIN
    SELECT p.definition INTO before FROM vibe.current_pipelines p WHERE p.id = _next_version.pipeline_id;
    IF before = _next_version.definition THEN
        RETURN false;
    END IF;
    PERFORM vibe._insert_version(_next_version.pipeline_id, _next_version.definition, _next_version.at);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._next_version(bigint, jsonb, timestamptz) IS 'Adds a version unless the current one says the same. Raises VB031.';

CREATE FUNCTION vibe.update_pipeline(id bigint, definition jsonb DEFAULT NULL, description text DEFAULT NULL, category text DEFAULT NULL)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    pipeline vibe.pipelines;
BEGIN
    IF num_nonnulls(update_pipeline.definition, update_pipeline.description, update_pipeline.category) = 0 THEN
        PERFORM vibe._invalid_argument('definition', NULL, 'Give a definition, a description or a category; vibe.rename_pipeline() changes slug and name.');
    END IF;
    pipeline := vibe._lock_own_pipeline(update_pipeline.id);
    PERFORM vibe._check_pipeline_names(pipeline.slug, pipeline.name, nullif(update_pipeline.category, ''));
    IF update_pipeline.definition IS NOT NULL THEN
        PERFORM vibe._next_version(pipeline.id, update_pipeline.definition, at);
    END IF;
    UPDATE vibe.pipelines p
       SET description = nullif(coalesce(update_pipeline.description, p.description), ''),
           category = nullif(coalesce(update_pipeline.category, p.category), '')
     WHERE p.id = pipeline.id AND num_nonnulls(update_pipeline.description, update_pipeline.category) > 0;
    RETURN QUERY SELECT * FROM vibe._pipeline_info(pipeline.id);
END
$$;
COMMENT ON FUNCTION vibe.update_pipeline(bigint, jsonb, text, text) IS 'Gives a pipeline a new version; campaigns and tasks that are there keep theirs, and the definition it has already makes none. description and category: NULL leaves, an empty text clears. Locks the pipeline row. Raises VB005, VB022, VB030, VB031 (invalid definition), VB036 (came with the extension: fork_pipeline).';

CREATE FUNCTION vibe.rename_pipeline(id bigint, new_slug text DEFAULT NULL, new_name text DEFAULT NULL)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pipeline vibe.pipelines;
BEGIN
    PERFORM vibe._begin_verb();
    pipeline := vibe._lock_own_pipeline(rename_pipeline.id);
    PERFORM vibe._check_pipeline_names(coalesce(rename_pipeline.new_slug, pipeline.slug),
        coalesce(rename_pipeline.new_name, pipeline.name), NULL);
    UPDATE vibe.pipelines p
       SET slug = coalesce(rename_pipeline.new_slug, p.slug), name = coalesce(rename_pipeline.new_name, p.name)
     WHERE p.id = pipeline.id;
    RETURN QUERY SELECT * FROM vibe._pipeline_info(pipeline.id);
EXCEPTION WHEN unique_violation THEN
    PERFORM vibe._pipeline_slug_taken(rename_pipeline.new_slug);
END
$$;
COMMENT ON FUNCTION vibe.rename_pipeline(bigint, text, text) IS 'Changes slug and name; NULL leaves one as it is. Campaigns refer to the pipeline, not to its slug. Locks the pipeline row. Raises VB005, VB022, VB030, VB032 (slug taken), VB036 (came with the extension: fork_pipeline).';
