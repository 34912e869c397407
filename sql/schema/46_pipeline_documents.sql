-- Pipelines, continued: reading them, changing models only, one JSON document in and out, and the end of one.

CREATE TYPE vibe.pipeline_details AS (
    id bigint, slug text, name text, kind text, category text, description text, version integer, definition jsonb,
    main_steps bigint, branches bigint, campaigns bigint, open_campaigns bigint, forked_from bigint,
    archived_at timestamptz, created_at timestamptz, updated_at timestamptz);
COMMENT ON TYPE vibe.pipeline_details IS 'A pipeline with its definition and how many campaigns use it, as functions return it.';

CREATE FUNCTION vibe.get_pipeline(id bigint)
    RETURNS SETOF vibe.pipeline_details
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.id, p.slug, p.name, p.kind, p.category, p.description, p.version, p.definition, p.main_steps, p.branches,
           c.campaigns, c.open_campaigns, p.forked_from, p.archived_at, p.created_at, p.updated_at
      FROM vibe.current_pipelines p
     CROSS JOIN LATERAL (SELECT count(*) AS campaigns, count(*) FILTER (WHERE c.ended_at IS NULL) AS open_campaigns
                           FROM vibe.campaigns c JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id
                          WHERE v.pipeline_id = p.id) c
     WHERE p.id = get_pipeline.id;
END;
COMMENT ON FUNCTION vibe.get_pipeline(bigint) IS 'One pipeline, or no row: its current version with definition, how many main steps and branches, how many campaigns use any version of it and how many of these have not ended.';

CREATE FUNCTION vibe.get_pipeline_by_slug(slug text)
    RETURNS SETOF vibe.pipeline_details
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT d.* FROM vibe.pipelines p CROSS JOIN LATERAL vibe.get_pipeline(p.id) d
     WHERE p.slug = get_pipeline_by_slug.slug AND p.archived_at IS NULL;
END;
COMMENT ON FUNCTION vibe.get_pipeline_by_slug(text) IS 'As get_pipeline, by slug; archived pipelines have none.';

CREATE FUNCTION vibe.list_pipelines(kind text DEFAULT NULL, category text DEFAULT NULL)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF list_pipelines.kind NOT IN ('preset', 'custom', 'fork') THEN
        PERFORM vibe._invalid_argument('kind', list_pipelines.kind, 'Use preset, custom, fork, or NULL for all.');
    END IF;
    RETURN QUERY
        SELECT i.* FROM vibe.current_pipelines p CROSS JOIN LATERAL vibe._pipeline_info(p.id) i
         WHERE p.archived_at IS NULL
           AND (list_pipelines.kind IS NULL OR p.kind = list_pipelines.kind)
           AND (list_pipelines.category IS NULL OR p.category = list_pipelines.category)
         ORDER BY p.id;
END
$$;
COMMENT ON FUNCTION vibe.list_pipelines(text, text) IS 'Pipelines that are not archived: all, or those of a kind (preset, custom, fork) and of a category. Raises VB030.';

CREATE FUNCTION vibe.list_preset_pipelines()
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT i.* FROM vibe.list_pipelines(kind => 'preset') i;
END;
COMMENT ON FUNCTION vibe.list_preset_pipelines() IS 'Pipelines that came with the extension.';

CREATE FUNCTION vibe.list_pipeline_versions(pipeline_id bigint)
    RETURNS TABLE (version integer, is_current boolean, definition jsonb, main_steps bigint, branches bigint, campaigns bigint, created_at timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT v.number, v.number = max(v.number) OVER (), v.definition,
           (SELECT count(*) FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = v.id AND s.branch = ''),
           (SELECT count(*) FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = v.id AND s.branch <> ''),
           (SELECT count(*) FROM vibe.campaigns c WHERE c.pipeline_version_id = v.id), v.created_at
      FROM vibe.pipeline_versions v
     WHERE v.pipeline_id = list_pipeline_versions.pipeline_id
     ORDER BY v.number DESC;
END;
COMMENT ON FUNCTION vibe.list_pipeline_versions(bigint) IS 'All versions of a pipeline, the current one first, and how many campaigns use each; no row for a pipeline that is not there.';

-- A step is named by its number, a branch by its label; where a branch is labelled with a step's number, the step is meant.
CREATE FUNCTION vibe._with_models(definition jsonb, models jsonb)
    RETURNS jsonb
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH element AS (
        SELECT d.is_branch, d.nth, d.source, CASE WHEN d.is_branch THEN d.branch ELSE d.step::text END AS name
          FROM vibe._definition_steps(definition) WITH ORDINALITY
               d(is_branch, branch, step, label, agent_name, model, description, output_dir, timeout, max_attempts,
                 gate, trigger_after_step, deliverable, source, nth)
    ), changed AS (
        SELECT e.is_branch, jsonb_agg(
                   CASE WHEN NOT models ? e.name OR (e.is_branch AND EXISTS (SELECT 1 FROM element m WHERE NOT m.is_branch AND m.name = e.name)) THEN e.source
                        WHEN models -> e.name = 'null' THEN e.source - 'model'
                        ELSE e.source || jsonb_build_object('model', models -> e.name) END ORDER BY e.nth) AS list
          FROM element e GROUP BY e.is_branch
    )
    SELECT definition || coalesce(jsonb_object_agg(
               CASE WHEN c.is_branch THEN CASE WHEN nullif(definition -> 'parallel_branches', 'null') IS NULL THEN 'parallelBranches' ELSE 'parallel_branches' END
                    ELSE CASE WHEN nullif(definition -> 'main_steps', 'null') IS NULL THEN 'mainSteps' ELSE 'main_steps' END END,
               c.list), '{}')
      FROM changed c;
END;
COMMENT ON FUNCTION vibe._with_models(jsonb, jsonb) IS 'A definition with other models, the rest as it was written.';

CREATE FUNCTION vibe.set_step_models(pipeline_id bigint, models jsonb)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    pipeline vibe.pipelines;
    definition jsonb;
    wrong text;
BEGIN
    pipeline := vibe._lock_own_pipeline(set_step_models.pipeline_id);
    IF jsonb_typeof(models) IS DISTINCT FROM 'object' OR models = '{}' THEN
        PERFORM vibe._invalid_argument('models', models::text, 'Use a JSON object, such as {"3": "opus", "Hero Image": "haiku"}.');
    END IF;
    SELECT e.value::text INTO wrong FROM jsonb_each(models) e
     WHERE e.value <> 'null' AND (jsonb_typeof(e.value) = 'string' AND e.value #>> '{}' ~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$') IS NOT TRUE
     ORDER BY e.key LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM vibe._invalid_argument('models', wrong,
            'Use 1 to 100 of A-Z a-z 0-9 . _ : @ / -, not beginning with "-", or null for the agent''s own model.');
    END IF;
    SELECT p.definition INTO definition FROM vibe.current_pipelines p WHERE p.id = pipeline.id;
    SELECT string_agg(k, ', ' ORDER BY k) INTO wrong FROM jsonb_object_keys(models) k
     WHERE k NOT IN (SELECT CASE WHEN s.is_branch THEN s.branch ELSE s.step::text END FROM vibe._definition_steps(definition) s);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB007',
            MESSAGE = 'step or branch not found',
            DETAIL = format('Pipeline "%s" has no %s.', pipeline.slug, left(wrong, 200)),
            HINT = format('Name a main step by its number, a branch by its label: SELECT definition FROM vibe.get_pipeline(%s).', pipeline.id);
    END IF;
    PERFORM vibe._next_version(pipeline.id, vibe._with_models(definition, models), at);
    RETURN QUERY SELECT * FROM vibe._pipeline_info(pipeline.id);
END
$$;
COMMENT ON FUNCTION vibe.set_step_models(bigint, jsonb) IS 'Gives steps other models in a new version, {"3": "opus", "Hero Image": "haiku"}: a main step by its number, a branch by its label; null goes back to the agent''s own model. Nothing changed makes no version. Locks the pipeline row. Raises VB005, VB007 (no such step or branch), VB022, VB030, VB036 (came with the extension: fork_pipeline).';

CREATE FUNCTION vibe.export_pipeline(id bigint, version integer DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    document jsonb;
BEGIN
    SELECT jsonb_build_object('slug', p.slug, 'name', p.name, 'description', p.description, 'category', p.category, 'definition', v.definition)
      INTO document
      FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id
     WHERE p.id = export_pipeline.id AND v.number = coalesce(export_pipeline.version, v.number)
     ORDER BY v.number DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM vibe._pipeline_not_found(export_pipeline.id, coalesce(' and a version ' || export_pipeline.version, ''));
    END IF;
    RETURN document;
END
$$;
COMMENT ON FUNCTION vibe.export_pipeline(bigint, integer) IS 'A pipeline as one JSON document {"slug", "name", "description", "category", "definition"} for import_pipeline(); version NULL is the current one. Raises VB005.';

CREATE FUNCTION vibe.import_pipeline(document jsonb, new_slug text DEFAULT NULL)
    RETURNS SETOF vibe.pipeline_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    new_id bigint;
BEGIN
    IF jsonb_typeof(document) IS DISTINCT FROM 'object' THEN
        PERFORM vibe._invalid_argument('document', document::text, 'Use what vibe.export_pipeline(id) returns.');
    END IF;
    -- The earlier system wrote the parts of the definition beside the name.
    new_id := vibe._new_pipeline(
        coalesce(import_pipeline.new_slug, document ->> 'slug'), document ->> 'name',
        coalesce(vibe._key(document, 'definition'), document - '{id,slug,name,description,category}'::text[]),
        document ->> 'description', nullif(document ->> 'category', ''), NULL, at);
    RETURN QUERY SELECT * FROM vibe._pipeline_info(new_id);
END
$$;
COMMENT ON FUNCTION vibe.import_pipeline(jsonb, text) IS 'Creates a pipeline from a document of export_pipeline(), under new_slug where it is given; what it says comes back the same from another export. A document of the earlier system, with mainSteps beside the name, is read as well; other keys are left alone. Raises VB022, VB030 (slug, name, category, no object), VB031 (invalid definition), VB032 (slug taken).';

-- Tables written: pipelines; with it, by cascade, pipeline_versions and pipeline_steps. Locks: the pipeline row FOR
-- UPDATE, which keeps new campaigns and tasks out (_pipeline_for_campaign() takes it FOR KEY SHARE).
CREATE FUNCTION vibe.delete_pipeline(id bigint)
    RETURNS TABLE (pipeline_id bigint, slug text, archived boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    pipeline vibe.pipelines;
    versions bigint[];
    users text;
BEGIN
    SELECT * INTO pipeline FROM vibe.pipelines p WHERE p.id = delete_pipeline.id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._pipeline_not_found(delete_pipeline.id, '');
    END IF;
    versions := ARRAY(SELECT v.id FROM vibe.pipeline_versions v WHERE v.pipeline_id = pipeline.id);
    SELECT CASE WHEN pipeline.is_preset THEN 'came with the extension'
                WHEN c.n + t.n > 0 THEN format('is used by %s campaigns that have not ended and %s open tasks', c.n, t.n) END INTO users
      FROM (SELECT count(*) AS n FROM vibe.campaigns c WHERE c.pipeline_version_id = ANY (versions) AND c.ended_at IS NULL) c,
           (SELECT count(*) AS n FROM vibe.tasks t WHERE t.pipeline_version_id = ANY (versions) AND t.ended_at IS NULL) t;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = 'the pipeline cannot be deleted',
            DETAIL = format('Pipeline "%s" %s.', pipeline.slug, users),
            HINT = CASE WHEN pipeline.is_preset THEN 'Leave it; nothing is started from a pipeline that no campaign names.'
                        ELSE 'Complete or cancel them first, or give it a new version with vibe.update_pipeline(id, definition).' END;
    END IF;
    pipeline_id := pipeline.id;
    slug := pipeline.slug;
    archived := EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.pipeline_version_id = ANY (versions))
             OR EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.pipeline_version_id = ANY (versions));
    IF archived THEN
        UPDATE vibe.pipelines p SET archived_at = at WHERE p.id = pipeline.id AND p.archived_at IS NULL;
    ELSE
        DELETE FROM vibe.pipelines p WHERE p.id = pipeline.id;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.delete_pipeline(bigint) IS 'Deletes a pipeline with all its versions where nothing refers to it. Where campaigns or tasks that have ended do, it is archived: its versions stay for them, it is left out of lists, nothing new can use it, its slug is free, and fork_pipeline() brings it back under another. Locks the pipeline row. Raises VB005, VB022, VB033 (came with the extension, or in use by campaigns or tasks that have not ended).';

CREATE FUNCTION vibe._versions_stay(id bigint)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB036',
        MESSAGE = 'a version of a pipeline is never changed',
        DETAIL = format('It is the version with key %s.', id),
        HINT = 'vibe.update_pipeline(id, definition) adds a version, vibe.delete_pipeline(id) deletes a pipeline with all of them.';
END
$$;
COMMENT ON FUNCTION vibe._versions_stay(bigint) IS 'Raises VB036.';

CREATE FUNCTION vibe._keep_version()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A delete passes as the cascade of a deleted pipeline only: by then the pipeline is gone.
    IF TG_OP = 'UPDATE' OR EXISTS (SELECT 1 FROM vibe.pipelines p WHERE p.id = OLD.pipeline_id) THEN
        PERFORM vibe._versions_stay(OLD.id);
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION vibe._keep_version() IS 'Refuses every change of a pipeline version but its end with its pipeline. Raises VB036.';

CREATE FUNCTION vibe._keep_step()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR EXISTS (SELECT 1 FROM vibe.pipeline_versions v WHERE v.id = OLD.pipeline_version_id) THEN
        PERFORM vibe._versions_stay(OLD.pipeline_version_id);
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION vibe._keep_step() IS 'Refuses every change of a pipeline version''s steps but their end with their pipeline. Raises VB036.';

-- Not on INSERT: a restore inserts them.
CREATE TRIGGER versions_are_immutable
    BEFORE UPDATE OR DELETE ON vibe.pipeline_versions
    FOR EACH ROW EXECUTE FUNCTION vibe._keep_version();

CREATE TRIGGER steps_are_immutable
    BEFORE UPDATE OR DELETE ON vibe.pipeline_steps
    FOR EACH ROW EXECUTE FUNCTION vibe._keep_step();
