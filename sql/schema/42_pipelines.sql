-- Pipeline definitions: read from JSON once, checked as a whole, stored as rows. A version is never changed.

-- The earlier system wrote camelCase keys; both spellings of a key are read.
CREATE FUNCTION vibe._key(object jsonb, snake text)
    RETURNS jsonb
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT nullif(coalesce(object -> snake,
        object -> (left(snake, 1) || substr(replace(initcap(replace(snake, '_', ' ')), ' ', ''), 2))), 'null');
END;
COMMENT ON FUNCTION vibe._key(jsonb, text) IS 'The value of a key written in snake_case or camelCase; NULL where it is absent or null.';

CREATE FUNCTION vibe._text(value jsonb)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT value #>> '{}';
END;
COMMENT ON FUNCTION vibe._text(jsonb) IS 'A JSON scalar as text.';

CREATE FUNCTION vibe._whole_number(value jsonb)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) IN ('number', 'string') AND value #>> '{}' ~ '^[0-9]{1,6}$'
        THEN (value #>> '{}')::integer END;
END;
COMMENT ON FUNCTION vibe._whole_number(jsonb) IS 'A JSON value as a whole number from 0 to 999999; NULL where it is none.';

CREATE FUNCTION vibe._duration(value jsonb)
    RETURNS interval
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN make_interval(secs => (value #>> '{}')::double precision)
        ELSE (value #>> '{}')::interval END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._duration(jsonb) IS 'A JSON value as a duration, a number being seconds; NULL where it is none.';

CREATE FUNCTION vibe._definition_steps(definition jsonb)
    RETURNS TABLE (is_branch boolean, branch text, step integer, label text, agent_name text, model text,
                   description text, output_dir text, timeout interval, max_attempts integer, gate text,
                   trigger_after_step integer, deliverable text, source jsonb)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH element AS (
        SELECT false AS is_branch, e.value AS v, e.ordinality AS nth
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(vibe._key(definition, 'main_steps')) = 'array'
                                         THEN vibe._key(definition, 'main_steps') ELSE '[]' END) WITH ORDINALITY e
        UNION ALL
        SELECT true, e.value, e.ordinality
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(vibe._key(definition, 'parallel_branches')) = 'array'
                                         THEN vibe._key(definition, 'parallel_branches') ELSE '[]' END) WITH ORDINALITY e
    )
    SELECT is_branch,
           CASE WHEN is_branch THEN coalesce(vibe._text(vibe._key(v, 'label')), '') ELSE '' END,
           CASE WHEN is_branch THEN 0 ELSE coalesce(vibe._whole_number(vibe._key(v, 'order')), (nth - 1)::integer) END,
           coalesce(vibe._text(vibe._key(v, 'label')), ''),
           vibe._text(vibe._key(v, 'agent')),
           vibe._text(vibe._key(v, 'model')),
           vibe._text(vibe._key(v, 'description')),
           vibe._text(vibe._key(v, 'output_dir')),
           vibe._duration(vibe._key(v, 'timeout')),
           coalesce(vibe._whole_number(vibe._key(v, 'max_attempts')), 3),
           vibe._text(vibe._key(v, 'gate')),
           CASE WHEN is_branch THEN vibe._whole_number(vibe._key(v, 'trigger_after_step')) END,
           CASE WHEN is_branch THEN vibe._text(vibe._key(v, 'deliverable')) END,
           v
      FROM element;
END;
COMMENT ON FUNCTION vibe._definition_steps(jsonb) IS 'The steps and branches of a definition as rows; what cannot be read comes out NULL and is refused by validate_pipeline().';

-- Each rule is one SELECT that yields a row per violation. Three functions: rules of a single step or branch, rules
-- between them, and what may be meant but seldom is.

CREATE FUNCTION vibe._definition_step_errors(definition jsonb)
    RETURNS TABLE (code text, message text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH s AS (
        SELECT * FROM vibe._definition_steps(definition)
    )
    SELECT 'step_not_an_object', format('step %s is not a JSON object', left(source::text, 60))
      FROM s WHERE jsonb_typeof(source) <> 'object'
    UNION ALL
    SELECT 'not_text', format('step "%s" has %s %s: use a text', left(label, 60), k.key, left(vibe._key(source, k.key)::text, 60))
      FROM s, unnest(ARRAY['label', 'agent', 'model', 'description', 'output_dir', 'gate', 'deliverable']) k(key)
     WHERE jsonb_typeof(source) = 'object' AND jsonb_typeof(vibe._key(source, k.key)) IN ('object', 'array', 'boolean')
    UNION ALL
    SELECT 'no_label', format('step %s has no label', step)
      FROM s WHERE NOT is_branch AND btrim(label) = '' AND jsonb_typeof(source) = 'object'
    UNION ALL
    SELECT 'label_too_long', format('label "%s…" is longer than 200 characters', left(label, 60))
      FROM s WHERE length(label) > 200
    UNION ALL
    SELECT 'invalid_order', format('step "%s" has order %s: use 0 to 999999', left(label, 60), vibe._key(source, 'order'))
      FROM s WHERE NOT is_branch AND jsonb_typeof(source) = 'object' AND vibe._key(source, 'order') IS NOT NULL
       AND vibe._whole_number(vibe._key(source, 'order')) IS NULL
    UNION ALL
    SELECT 'unknown_agent', format('step "%s" names agent "%s", which is not registered', label, agent_name)
      FROM s WHERE agent_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = s.agent_name)
    UNION ALL
    SELECT 'invalid_model', format('step "%s" names model "%s"', label, left(model, 60))
      FROM s WHERE model !~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$'
    UNION ALL
    SELECT 'invalid_output_dir', format('step "%s" has output_dir "%s"', label, left(output_dir, 60))
      FROM s WHERE output_dir !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'
    UNION ALL
    SELECT 'invalid_timeout', format('step "%s" has timeout %s: use 1 second to 24 hours', label, vibe._key(source, 'timeout'))
      FROM s WHERE jsonb_typeof(source) = 'object' AND vibe._key(source, 'timeout') IS NOT NULL
       AND (timeout BETWEEN interval '1 second' AND interval '24 hours') IS NOT TRUE
    UNION ALL
    SELECT 'invalid_max_attempts', format('step "%s" has max_attempts %s: use 1 to 100', label, vibe._key(source, 'max_attempts'))
      FROM s WHERE jsonb_typeof(source) = 'object' AND vibe._key(source, 'max_attempts') IS NOT NULL
       AND (vibe._whole_number(vibe._key(source, 'max_attempts')) BETWEEN 1 AND 100) IS NOT TRUE
    UNION ALL
    SELECT 'unknown_gate', format('step "%s" has gate "%s": use "human"', label, left(gate, 60))
      FROM s WHERE gate <> 'human'
    UNION ALL
    SELECT 'branch_without_label', 'a branch has no label' FROM s WHERE is_branch AND btrim(branch) = ''
    UNION ALL
    SELECT 'branch_without_agent', format('branch "%s" has no agent', branch)
      FROM s WHERE is_branch AND agent_name IS NULL;
END;
COMMENT ON FUNCTION vibe._definition_step_errors(jsonb) IS 'What is wrong with single steps and branches of a definition.';

-- The main line is ordered by number and a branch starts after a step of it, so nothing can wait in a circle but
-- through the convergence step, or where a definition names branches as each other's triggers.
CREATE FUNCTION vibe._definition_line_errors(definition jsonb)
    RETURNS TABLE (code text, message text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH RECURSIVE s AS (
        SELECT d.*, vibe._text(vibe._key(d.source, 'trigger_after_step')) AS trigger FROM vibe._definition_steps(definition) d
    ), main AS (
        SELECT * FROM s WHERE NOT is_branch
    ), branches AS (
        SELECT * FROM s WHERE is_branch
    ), convergence AS (
        SELECT vibe._key(definition, 'convergence_step') AS given,
               vibe._whole_number(vibe._key(definition, 'convergence_step')) AS step
    ), waits(branch, for_branch) AS (
        SELECT b.branch, b.trigger FROM branches b WHERE b.trigger_after_step IS NULL AND b.trigger IN (SELECT o.branch FROM branches o)
        UNION
        SELECT w.branch, b.trigger FROM waits w JOIN branches b ON b.branch = w.for_branch AND b.trigger_after_step IS NULL
    )
    SELECT 'duplicate_order', format('%s steps have order %s', count(*), step)
      FROM main GROUP BY step HAVING count(*) > 1
    UNION ALL
    SELECT 'duplicate_branch', format('%s branches are labelled "%s"', count(*), branch)
      FROM branches WHERE btrim(branch) <> '' GROUP BY branch HAVING count(*) > 1
    UNION ALL
    SELECT 'self_reference', format('branch "%s" is triggered by itself', branch)
      FROM branches b WHERE trigger_after_step IS NULL AND trigger = branch
    UNION ALL
    SELECT 'cycle', format('branch "%s" waits for itself through branch "%s"', b.branch, b.trigger)
      FROM branches b WHERE b.trigger_after_step IS NULL AND b.trigger <> b.branch
       AND EXISTS (SELECT 1 FROM waits w WHERE w.branch = b.branch AND w.for_branch = b.branch)
    UNION ALL
    SELECT 'unknown_trigger', format('branch "%s" is triggered by step %s, which is not there', branch,
           coalesce(left(vibe._key(source, 'trigger_after_step')::text, 60), 'null'))
      FROM branches b WHERE NOT EXISTS (SELECT 1 FROM main m WHERE m.step = b.trigger_after_step)
       AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.branch = b.branch AND w.for_branch = b.branch)
    UNION ALL
    SELECT 'unknown_convergence', format('convergence_step %s is no step of the main line', given)
      FROM convergence c WHERE given IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main m WHERE m.step = c.step)
    UNION ALL
    SELECT 'convergence_before_trigger',
           format('branch "%s" starts after step %s, but step %s already waits for all branches', branch, trigger_after_step, c.step)
      FROM branches, convergence c WHERE trigger_after_step >= c.step
    UNION ALL
    SELECT 'review_before_draft', format('step "%s" comes before any writer', r.label)
      FROM main r WHERE r.agent_name ~ '(reviewer|humanizer)$'
       AND EXISTS (SELECT 1 FROM main w WHERE w.agent_name ~ 'writer$')
       AND NOT EXISTS (SELECT 1 FROM main w WHERE w.agent_name ~ 'writer$' AND w.step < r.step);
END;
COMMENT ON FUNCTION vibe._definition_line_errors(jsonb) IS 'What is wrong between the steps and branches of a definition.';

CREATE FUNCTION vibe._definition_warnings(definition jsonb)
    RETURNS TABLE (code text, message text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH step AS (
        SELECT * FROM vibe._definition_steps(definition)
    ), main AS (
        SELECT * FROM step WHERE NOT is_branch
    )
    SELECT 'no_reviewer', 'nobody reviews what the writer writes'
     WHERE EXISTS (SELECT 1 FROM main WHERE agent_name ~ 'writer$')
       AND NOT EXISTS (SELECT 1 FROM main WHERE agent_name ~ 'reviewer$')
    UNION ALL
    SELECT 'no_humanizer', 'no step humanizes the text'
     WHERE EXISTS (SELECT 1 FROM main WHERE agent_name ~ 'writer$')
       AND NOT EXISTS (SELECT 1 FROM main WHERE agent_name ~ 'humanizer$')
    UNION ALL
    SELECT 'missing_services', format('agent "%s" lacks required services: %s', a.agent_name, array_to_string(a.missing, ', '))
      FROM (SELECT s.agent_name, vibe._missing_services(s.agent_name) AS missing
              FROM (SELECT DISTINCT agent_name FROM step WHERE agent_name IS NOT NULL) s) a
     WHERE a.missing <> '{}';
END;
COMMENT ON FUNCTION vibe._definition_warnings(jsonb) IS 'What a definition seldom means to leave out.';

CREATE FUNCTION vibe.validate_pipeline(definition jsonb)
    RETURNS TABLE (level text, code text, message text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'error', 'not_an_object', 'the definition is not a JSON object'
     WHERE coalesce(jsonb_typeof(definition), 'null') <> 'object'
    UNION ALL
    SELECT 'error', 'not_an_array', format('%s is not a JSON array', k.key)
      FROM unnest(ARRAY['main_steps', 'parallel_branches']) k(key)
     WHERE jsonb_typeof(vibe._key(definition, k.key)) <> 'array'
    UNION ALL
    SELECT 'error', 'invalid_on_complete', 'on_complete is not a JSON object'
     WHERE jsonb_typeof(vibe._key(definition, 'on_complete')) <> 'object'
    UNION ALL
    SELECT 'error', 'empty', 'no main step has an agent'
     WHERE NOT EXISTS (SELECT 1 FROM vibe._definition_steps(definition) s WHERE NOT s.is_branch AND s.agent_name IS NOT NULL)
    UNION ALL
    SELECT 'error', 'too_long', 'more than 1000 steps and branches'
     WHERE (SELECT count(*) FROM vibe._definition_steps(definition) s) > 1000
    UNION ALL
    SELECT 'error', e.code, e.message FROM vibe._definition_step_errors(definition) e
    UNION ALL
    SELECT 'error', e.code, e.message FROM vibe._definition_line_errors(definition) e
    UNION ALL
    SELECT 'warning', w.code, w.message FROM vibe._definition_warnings(definition) w;
END;
COMMENT ON FUNCTION vibe.validate_pipeline(jsonb) IS 'What is wrong with a pipeline definition: level error (create_pipeline and update_pipeline refuse it) or warning (no_reviewer, no_humanizer, missing_services), a code, a message; no row when all is well.';

CREATE FUNCTION vibe._insert_version(pipeline_id bigint, definition jsonb, at timestamptz)
    RETURNS vibe.pipeline_versions
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version vibe.pipeline_versions;
    problems text;
BEGIN
    SELECT string_agg(v.message, '; ' ORDER BY v.code, v.message) INTO problems
      FROM vibe.validate_pipeline(_insert_version.definition) v WHERE v.level = 'error';
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB031',
            MESSAGE = 'invalid pipeline definition',
            DETAIL = problems,
            HINT = 'SELECT * FROM vibe.validate_pipeline(definition) lists all errors and warnings.';
    END IF;
    -- One new version at a time per pipeline.
    PERFORM 1 FROM vibe.pipelines p WHERE p.id = _insert_version.pipeline_id FOR NO KEY UPDATE;
    INSERT INTO vibe.pipeline_versions AS v (pipeline_id, number, definition, convergence_step, on_complete, created_at)
    SELECT _insert_version.pipeline_id, coalesce(max(o.number), 0) + 1, _insert_version.definition,
           vibe._whole_number(vibe._key(_insert_version.definition, 'convergence_step')),
           coalesce(vibe._key(_insert_version.definition, 'on_complete'), '{}'), at
      FROM vibe.pipeline_versions o WHERE o.pipeline_id = _insert_version.pipeline_id
    RETURNING v.* INTO version;
    INSERT INTO vibe.pipeline_steps (pipeline_version_id, branch, step, label, agent_name, model, description,
                                     output_dir, timeout, max_attempts, gate, trigger_after_step, deliverable)
    SELECT version.id, s.branch, s.step, s.label, s.agent_name, s.model, s.description,
           s.output_dir, s.timeout, s.max_attempts, s.gate, s.trigger_after_step, s.deliverable
      FROM vibe._definition_steps(_insert_version.definition) s;
    RETURN version;
END
$$;
COMMENT ON FUNCTION vibe._insert_version(bigint, jsonb, timestamptz) IS 'Stores a checked definition as the pipeline''s next version. Raises VB031.';
