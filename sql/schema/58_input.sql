-- What an agent is told: the results of earlier steps, and its prompt. Free text is filled into the prompt once,
-- in one pass, so that a title that looks like a {field} stays a title; it never becomes part of a command.

CREATE FUNCTION vibe.default_prompt_template()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $template$You are {agent}. {agent_description}
Skill folder: {skill_path}
Skills:
{skills}

Task {task_id}: {title}
{description}
Keyword: {keyword}
Step {step}: {step_label}. {step_description}
Deliverable: {deliverable}

Project: {project}. {project_description}
Campaign: {campaign}. {campaign_description}
Keywords of the campaign: {seed_keywords}
Competitors: {competitor_urls}
Focus groups: {focus_groups}

Results of earlier steps:
{earlier_results}

Notes of the last revision: {revision_notes}
Note for this run: {note}

Write your main result to the file {output_file} below your working directory (its full path is in VIBE_OUTPUT_FILE).
Report as your runner's contract says: exit status 0 and a result when the step is done. To send the task back, to
give a score, or to say that a person is needed, write a JSON object to the file named by VIBE_RESULT, such as
{"status": "revise", "target_step": 3, "notes": "what is missing"} or {"status": "done", "score": 85}.
$template$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe.default_prompt_template() IS 'The prompt template of agents that have none of their own; {fields} are filled in as text.';

CREATE FUNCTION vibe._render_prompt(template text, fields jsonb)
    RETURNS text
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- A piece after a brace is a field and what follows it, or text as it stands: a word that is no field, braces
    -- in prose. No pattern is matched, since this is done at every launch.
    RETURN (
        SELECT coalesce(string_agg(
                   CASE WHEN piece.n = 1 THEN piece.text
                        WHEN strpos(piece.text, '}') > 0 AND fields ? split_part(piece.text, '}', 1)
                        THEN coalesce(fields ->> split_part(piece.text, '}', 1), '-') || substr(piece.text, strpos(piece.text, '}') + 1)
                        ELSE '{' || piece.text END, '' ORDER BY piece.n), '')
          FROM string_to_table(template, '{') WITH ORDINALITY piece(text, n));
END
$$;
COMMENT ON FUNCTION vibe._render_prompt(text, jsonb) IS 'Fills {fields} of a template in one pass; an empty field becomes "-".';

CREATE FUNCTION vibe._inputs(task_id bigint, branch text, before_step integer)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'branch', r.branch, 'step', r.step, 'label', r.label, 'agent', r.agent_name, 'output_dir', r.output_dir,
                   'summary', r.summary, 'output', r.output, 'output_path', r.output_path, 'score', r.quality_score)
                   ORDER BY r.branch, r.step), '[]')
          FROM (SELECT DISTINCT ON (r.branch, r.step) r.*, s.label, s.output_dir
                  FROM vibe.runs r
                  JOIN vibe.tasks t ON t.id = r.task_id
                  JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
                 WHERE r.task_id = _inputs.task_id AND r.outcome = 'done' AND NOT r.superseded
                   -- A branch that still has work waits for its approval: nobody may build on it yet.
                   AND ((r.branch = '' AND r.step < before_step) OR (r.branch <> '' AND _inputs.branch = '' AND NOT EXISTS (
                        SELECT 1 FROM vibe.work w WHERE w.task_id = r.task_id AND w.branch = r.branch)))
                 ORDER BY r.branch, r.step, r.id DESC) r);
END
$$;
COMMENT ON FUNCTION vibe._inputs(bigint, text, integer) IS 'The result of every earlier step that counts; for the main line also those of branches that are done. What a revision superseded is left out.';

CREATE FUNCTION vibe._revision_notes(task vibe.tasks, branch text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT r.notes FROM vibe.runs r
         WHERE r.task_id = task.id AND r.branch = _revision_notes.branch AND r.superseded AND r.notes IS NOT NULL
         ORDER BY r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._revision_notes(vibe.tasks, text) IS 'The notes of a branch''s last revision for its next run; they stand with the run that they are about, the main line''s in the task.';

CREATE FUNCTION vibe._earlier_results(inputs jsonb)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT string_agg(format('- %s: %s%s', i.value ->> 'label', coalesce(i.value ->> 'summary', 'no summary'),
                                 coalesce(' (file: ' || (i.value ->> 'output_path') || ')', '')), E'\n' ORDER BY i.n)
          FROM jsonb_array_elements(inputs) WITH ORDINALITY i(value, n));
END
$$;
COMMENT ON FUNCTION vibe._earlier_results(jsonb) IS 'Earlier results as lines of a prompt.';

-- A lost run is asked to go on where it was, twice in a row at most: resuming is not free.
CREATE FUNCTION vibe._session_to_resume(task_id bigint, branch text, step integer, revision integer)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT CASE WHEN count(*) FILTER (WHERE l.outcome = 'lost') < 3
                    THEN max(l.session_id) FILTER (WHERE l.nth = 1 AND l.outcome = 'lost') END
          FROM (SELECT r.outcome, r.session_id, row_number() OVER (ORDER BY r.id DESC) AS nth
                  FROM vibe.runs r
                 WHERE r.task_id = _session_to_resume.task_id AND r.branch = _session_to_resume.branch
                   AND r.step = _session_to_resume.step AND r.revision = _session_to_resume.revision
                   AND r.started_at IS NOT NULL
                 ORDER BY r.id DESC LIMIT 3) l);
END
$$;
COMMENT ON FUNCTION vibe._session_to_resume(bigint, text, integer, integer) IS 'The session of the lost run before this one; NULL where a fresh start is right.';

-- A program that goes on with a session may count from the session's beginning.
CREATE FUNCTION vibe._usage_of_session(run vibe.runs)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object('input_tokens', coalesce(sum(r.input_tokens), 0), 'output_tokens', coalesce(sum(r.output_tokens), 0),
                   'cache_read_tokens', coalesce(sum(r.cache_read_tokens), 0), 'cache_write_tokens', coalesce(sum(r.cache_write_tokens), 0))
          FROM vibe.runs r
         WHERE r.task_id = run.task_id AND r.branch = run.branch AND r.step = run.step AND r.id < run.id
           AND r.session_id = run.resumed_session);
END
$$;
COMMENT ON FUNCTION vibe._usage_of_session(vibe.runs) IS 'What earlier runs of the session that a run goes on with have used.';

-- The database's half of a launch: everything the supervisor and the agent are told about the run. One query for
-- all that has one row each: it stands between the end of one agent and the start of the next.
CREATE FUNCTION vibe._launch(run vibe.runs, token text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    launch jsonb;
    fields jsonb;
    template text;
    before_step integer;
    inputs jsonb;
BEGIN
    SELECT jsonb_build_object(
               'contract', 1, 'kind', run.kind, 'run_id', run.id::text, 'task_id', t.id, 'branch', run.branch, 'step', run.step,
               'step_label', s.label, 'attempt', run.attempt, 'agent', run.agent_name, 'model', run.model,
               'campaign_id', t.campaign_id, 'campaign', c.slug, 'project', p.slug, 'title', t.title,
               'slug', vibe._output_slug(t, run.branch), 'skill_path', a.skill_path, 'skills', k.list, 'output_dir', s.output_dir,
               'token', token, 'revision_notes', n.notes, 'note', w.note, 'session', run.session_id,
               'resume_session', run.resumed_session, 'timeout_s', extract(epoch FROM s.timeout)::bigint,
               'budget_usd', run.reserved_usd, 'price', CASE WHEN run.reserved_usd IS NOT NULL THEN vibe._price_told(run.model, run.claimed_at) END,
               'deliverable', s.deliverable, 'traceparent', vibe._traceparent(t.id, run.id, d.oid)),
           jsonb_build_object(
               'agent', a.name, 'agent_description', coalesce(a.description, ''), 'skill_path', a.skill_path, 'skills', k.lines,
               'task_id', t.id, 'title', t.title, 'description', coalesce(t.description, ''), 'keyword', t.keyword,
               'step', run.step, 'step_label', s.label, 'step_description', coalesce(s.description, ''),
               'deliverable', s.deliverable, 'project', p.name, 'project_description', coalesce(p.description, ''),
               'campaign', c.name, 'campaign_description', coalesce(c.description, ''),
               'seed_keywords', array_to_string(c.seed_keywords[1:50], ', '),
               'competitor_urls', array_to_string(c.competitor_urls[1:50], ', '),
               'focus_groups', array_to_string(c.focus_group_ids[1:50], ', '),
               'revision_notes', n.notes, 'note', w.note,
               'output_file', coalesce(s.output_dir || '/', '') || vibe._output_slug(t, run.branch) || '.md'),
           coalesce(a.prompt_template, vibe.default_prompt_template()),
           CASE WHEN run.branch = '' THEN run.step ELSE s.trigger_after_step + 1 END
      INTO STRICT launch, fields, template, before_step
      FROM vibe.tasks t
      JOIN vibe.projects p ON p.id = t.project_id
      JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = run.branch AND s.step = run.step
      JOIN vibe.current_agents a ON a.name = run.agent_name
     CROSS JOIN LATERAL (SELECT string_agg(format('%s (%s)', k.slug, k.path), E'\n' ORDER BY x.position) AS lines,
                                coalesce(jsonb_agg(jsonb_build_object('slug', k.slug, 'path', k.path, 'kind', k.kind) ORDER BY x.position), '[]') AS list
                           FROM vibe.agent_skills x JOIN vibe.skills k ON k.slug = x.skill_slug WHERE x.agent_name = run.agent_name) k
      JOIN pg_catalog.pg_database d ON d.datname = current_database()
      LEFT JOIN vibe.campaigns c ON c.id = t.campaign_id
      LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = run.branch
     CROSS JOIN LATERAL (SELECT CASE WHEN run.branch = '' THEN t.rejection_notes ELSE vibe._revision_notes(t, run.branch) END AS notes OFFSET 0) n
     WHERE t.id = run.task_id;
    inputs := vibe._inputs(run.task_id, run.branch, before_step);
    fields := fields || jsonb_build_object('earlier_results', CASE WHEN inputs <> '[]' THEN vibe._earlier_results(inputs) END);
    RETURN launch || jsonb_build_object('inputs', inputs,
        'resume_usage', CASE WHEN run.resumed_session IS NOT NULL THEN vibe._usage_of_session(run) END, 'prompt', vibe._render_prompt(template, fields));
END
$$;
COMMENT ON FUNCTION vibe._launch(vibe.runs, text) IS 'What the supervisor and the agent of a run are told, as one JSON object.';

CREATE FUNCTION vibe._output_slug(task vibe.tasks, branch text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT task.slug || CASE WHEN branch = '' THEN '' ELSE '-' || coalesce(nullif(vibe._slug(branch), ''), md5(branch)) END;
END;
COMMENT ON FUNCTION vibe._output_slug(vibe.tasks, text) IS 'File name of an output without its ending: the task''s slug, for a branch with its label.';

-- One trace per task, one span per run, both derived: nothing to store, the same after a restore.
CREATE FUNCTION vibe._traceparent(task_id bigint, run_id bigint, database oid)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT '00-' || md5('task ' || task_id || ' ' || database) || '-' || left(md5('run ' || run_id), 16) || '-01';
END;
COMMENT ON FUNCTION vibe._traceparent(bigint, bigint, oid) IS 'W3C trace context of a run: the trace is the task''s, the span the run''s.';

CREATE FUNCTION vibe.get_run_input(run_id bigint, lock_token text)
    RETURNS jsonb
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    PERFORM vibe._begin_verb();
    run := vibe._run_by_token(get_run_input.run_id, get_run_input.lock_token);
    RETURN CASE WHEN run.task_id IS NULL THEN vibe._launch_chore(run, NULL) ELSE vibe._launch(run, NULL) END - 'token';
END
$$;
COMMENT ON FUNCTION vibe.get_run_input(bigint, text) IS 'What the agent of an open run needs to know: prompt, inputs from earlier steps, revision notes, limits; for a heartbeat its prompt and note. Locks the task row, or the heartbeat. Raises VB006, VB011, VB022.';
