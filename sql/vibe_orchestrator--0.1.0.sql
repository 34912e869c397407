\echo Use "CREATE EXTENSION vibe_orchestrator" to load this file. \quit

-- The schema belongs to the extension and must be new: a schema that somebody else made could hold functions
-- or tables of theirs, or an owner who may replace ours. Everything below is written with its schema, so
-- nothing is ever looked up in public.
CREATE SCHEMA vibe;
COMMENT ON SCHEMA vibe IS 'vibe_orchestrator: campaigns, pipelines, tasks, agents and the runs that carry them forward.';
-- The four roles. They belong to the whole server and outlive the extension, so they are made only where absent.
-- One that is there already is taken only if it is as weak as ours would be: whoever can log in as it, or whatever
-- else it may do, would otherwise come by rights in this schema, or lend its own to them.
DO $roles$
DECLARE
    wanted text;
    stronger text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vibe_viewer', 'vibe_operator', 'vibe_admin', 'vibe_agent'] LOOP
        SELECT r.rolname INTO stronger FROM pg_catalog.pg_roles r
         WHERE r.rolname = wanted
           AND (r.rolsuper OR r.rolcanlogin OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls);
        IF FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB061',
                MESSAGE = pg_catalog.format('role "%s" exists and is more than a group of rights', wanted),
                DETAIL = 'It is a superuser, can log in, or may create roles or databases, replicate, or bypass row security.',
                HINT = pg_catalog.format('ALTER ROLE %s NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS; or rename it.', wanted);
        ELSIF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    GRANT vibe_viewer TO vibe_operator;
    GRANT vibe_operator TO vibe_admin;
END
$roles$;
-- Vocabularies as tables, not enums: an enum cannot grow inside an upgrade script, and users add words of their
-- own. Rows seeded here are left out of dumps (is_preset); rows that users add are dumped.

-- Each status names what is true of the task now. Legal next statuses are rows of vibe.task_transitions.
CREATE TABLE vibe.task_statuses (
    status text PRIMARY KEY,
    is_final boolean NOT NULL DEFAULT false,
    is_preset boolean NOT NULL DEFAULT false,
    description text NOT NULL
);
COMMENT ON TABLE vibe.task_statuses IS 'The words a task''s status may be; users add their own for output directories of their own.';
COMMENT ON COLUMN vibe.task_statuses.status IS 'The word itself.';
COMMENT ON COLUMN vibe.task_statuses.is_final IS 'A task in this status has ended: it holds no work.';
COMMENT ON COLUMN vibe.task_statuses.is_preset IS 'Came with the extension; not part of a dump.';
COMMENT ON COLUMN vibe.task_statuses.description IS 'What the status means, for people.';

CREATE TABLE vibe.task_transitions (
    from_status text NOT NULL REFERENCES vibe.task_statuses,
    to_status text NOT NULL REFERENCES vibe.task_statuses,
    is_preset boolean NOT NULL DEFAULT false,
    PRIMARY KEY (from_status, to_status),
    CONSTRAINT transition_changes_the_status CHECK (from_status <> to_status)
);
COMMENT ON TABLE vibe.task_transitions IS 'Which change of a task''s status is legal; every UPDATE of tasks.status is checked against it.';
COMMENT ON COLUMN vibe.task_transitions.from_status IS 'The status before.';
COMMENT ON COLUMN vibe.task_transitions.to_status IS 'The status after.';
COMMENT ON COLUMN vibe.task_transitions.is_preset IS 'Came with the extension; not part of a dump.';

CREATE TABLE vibe.output_statuses (
    output_dir text PRIMARY KEY,
    status text NOT NULL REFERENCES vibe.task_statuses,
    is_preset boolean NOT NULL DEFAULT false,
    CONSTRAINT output_dir_is_one_safe_path_element CHECK (output_dir ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$')
);
COMMENT ON TABLE vibe.output_statuses IS 'Which task status a finished step leads to, by the directory its output goes to.';
COMMENT ON COLUMN vibe.output_statuses.output_dir IS 'A step''s output_dir, such as drafts.';
COMMENT ON COLUMN vibe.output_statuses.status IS 'The status of the task once such a step is done.';
COMMENT ON COLUMN vibe.output_statuses.is_preset IS 'Came with the extension; not part of a dump.';

-- How a run can end. The class alone decides what happens to the step, so that the runner, the sweep and a
-- caller of fail_step() can never disagree.
CREATE TABLE vibe.outcomes (
    outcome text PRIMARY KEY,
    uses_attempt boolean NOT NULL,
    then_step text NOT NULL,
    description text NOT NULL,
    CONSTRAINT then_step_is_known CHECK (then_step IN ('advances', 'rewinds', 'retries', 'retries_at_once', 'waits_for_person'))
);
COMMENT ON TABLE vibe.outcomes IS 'The classes of a run''s end, and what each does to its step.';
COMMENT ON COLUMN vibe.outcomes.outcome IS 'The class, as stored in runs.outcome.';
COMMENT ON COLUMN vibe.outcomes.uses_attempt IS 'Counts against the step''s max_attempts.';
COMMENT ON COLUMN vibe.outcomes.then_step IS 'What becomes of the step: advances, rewinds, retries (after a back-off), retries_at_once, waits_for_person.';
COMMENT ON COLUMN vibe.outcomes.description IS 'What happened, for people.';

INSERT INTO vibe.outcomes (outcome, uses_attempt, then_step, description) VALUES
    ('done', false, 'advances', 'finished with a valid result'),
    ('revise', false, 'rewinds', 'asked for a revision of an earlier step'),
    ('blocked', false, 'waits_for_person', 'needs a person'),
    ('failed', true, 'retries', 'ended with a failure'),
    ('bad_result', true, 'retries', 'ended without a result that can be used'),
    ('killed', true, 'retries', 'the agent died by a signal that was not ours'),
    ('timeout_start', true, 'retries', 'wrote nothing within its start limit'),
    ('timeout_idle', true, 'retries', 'went silent for longer than its idle limit'),
    ('timeout_total', true, 'retries', 'ran longer than its total limit'),
    ('rate_limited', false, 'retries', 'the provider asked to try later'),
    ('exec_error', false, 'retries', 'the program could not be started'),
    ('lost', false, 'retries_at_once', 'its holder or its supervisor died'),
    ('auth', false, 'waits_for_person', 'the provider refused the credentials'),
    ('budget', false, 'waits_for_person', 'a spending ceiling was reached'),
    ('cancelled', false, 'waits_for_person', 'stopped by a person or by another verb');
-- Tables that are set up before there is work: projects, agents, pipelines.
-- Rules that one row can break are CHECKs named for the rule; rules between rows are foreign keys and the partial
-- unique indexes of 25_indexes.sql. No table with user data has an INSERT trigger: a restore would fire it.

CREATE TABLE vibe.projects (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    description text,
    root_path text,
    archived_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT root_path_is_absolute_and_plain CHECK (root_path ~ '^/[^\x01-\x1f]*$' AND root_path !~ '(^|/)\.\.?(/|$)'),
    CONSTRAINT name_is_not_blank CHECK (btrim(name) <> '')
);
COMMENT ON TABLE vibe.projects IS 'A client or a site: the owner of campaigns.';
COMMENT ON COLUMN vibe.projects.id IS 'Key.';
COMMENT ON COLUMN vibe.projects.slug IS 'Short name in paths and URLs: lower-case letters, digits and hyphens.';
COMMENT ON COLUMN vibe.projects.name IS 'Name for people.';
COMMENT ON COLUMN vibe.projects.description IS 'What it is, for people and for prompts.';
COMMENT ON COLUMN vibe.projects.root_path IS 'Absolute directory below which finished files are published; NULL publishes nothing.';
COMMENT ON COLUMN vibe.projects.archived_at IS 'When it was put away; NULL while in use.';
COMMENT ON COLUMN vibe.projects.created_at IS 'When it was created.';

CREATE TABLE vibe.agents (
    name text PRIMARY KEY,
    level text NOT NULL DEFAULT 'specialist',
    description text,
    default_model text,
    skill_path text,
    agent_file_path text,
    runner text NOT NULL DEFAULT 'default',
    prompt_template text,
    max_parallel integer,
    heartbeat_schedule text,
    paused_at timestamptz,
    is_preset boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    CONSTRAINT name_is_one_plain_word CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    CONSTRAINT max_parallel_is_sane CHECK (max_parallel BETWEEN 1 AND 100000),
    CONSTRAINT heartbeat_schedule_has_five_fields CHECK (heartbeat_schedule ~ '^[^ ]+( [^ ]+){4}$'),
    CONSTRAINT runner_is_one_plain_word CHECK (runner ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
    CONSTRAINT model_cannot_be_an_option CHECK (default_model ~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$')
);
COMMENT ON TABLE vibe.agents IS 'Agents that can be given work. What a user changes on one that came with the extension stands in vibe.agent_overrides.';
COMMENT ON COLUMN vibe.agents.name IS 'Key, as pipelines name it.';
COMMENT ON COLUMN vibe.agents.level IS 'Place in the team: orchestrator, lead, specialist or a word of yours.';
COMMENT ON COLUMN vibe.agents.description IS 'What the agent does.';
COMMENT ON COLUMN vibe.agents.default_model IS 'Model used where a step names none.';
COMMENT ON COLUMN vibe.agents.skill_path IS 'Where its skill folder is; told to the agent.';
COMMENT ON COLUMN vibe.agents.agent_file_path IS 'Where its definition file is.';
COMMENT ON COLUMN vibe.agents.runner IS 'Which block of the runner file starts it. Only a name: what may be executed stands in that file.';
COMMENT ON COLUMN vibe.agents.prompt_template IS 'Its prompt with {fields}; NULL uses the default template.';
COMMENT ON COLUMN vibe.agents.max_parallel IS 'Most runs of it at a time; NULL is no limit.';
COMMENT ON COLUMN vibe.agents.heartbeat_schedule IS 'When it runs without a task: five cron fields, minute to day of week; NULL never.';
COMMENT ON COLUMN vibe.agents.paused_at IS 'Since when the dispatcher starts it no more; NULL while it may.';
COMMENT ON COLUMN vibe.agents.is_preset IS 'Came with the extension; not part of a dump.';
COMMENT ON COLUMN vibe.agents.created_at IS 'When it was registered.';

-- Rows that came with the extension are made again by CREATE EXTENSION, so a dump must not hold them; a change
-- to one is therefore a row of its own, which a dump does hold.
CREATE TABLE vibe.agent_overrides (
    agent_name text PRIMARY KEY REFERENCES vibe.agents ON DELETE CASCADE,
    level text,
    description text,
    default_model text,
    skill_path text,
    agent_file_path text,
    runner text,
    prompt_template text,
    max_parallel integer,
    heartbeat_schedule text,
    paused_at timestamptz,
    cleared text[] NOT NULL DEFAULT '{}',
    CONSTRAINT max_parallel_is_sane CHECK (max_parallel BETWEEN 1 AND 100000),
    CONSTRAINT heartbeat_schedule_has_five_fields CHECK (heartbeat_schedule ~ '^[^ ]+( [^ ]+){4}$'),
    CONSTRAINT runner_is_one_plain_word CHECK (runner ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
    CONSTRAINT model_cannot_be_an_option CHECK (default_model ~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$')
);
COMMENT ON TABLE vibe.agent_overrides IS 'What a user changed on an agent that came with the extension; NULL leaves the agent''s own value.';
COMMENT ON COLUMN vibe.agent_overrides.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_overrides.level IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.description IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.default_model IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.skill_path IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.agent_file_path IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.runner IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.prompt_template IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.max_parallel IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.heartbeat_schedule IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.paused_at IS 'As in vibe.agents.';
COMMENT ON COLUMN vibe.agent_overrides.cleared IS 'Columns whose value the user took away: NULL now, whatever the agent came with.';

-- Keys below 1000 are for presets, now and in later releases; users' rows begin at 1000.
CREATE TABLE vibe.pipelines (
    id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1000) PRIMARY KEY,
    slug text NOT NULL,
    name text NOT NULL,
    description text,
    category text,
    forked_from bigint,
    is_preset boolean NOT NULL DEFAULT false,
    archived_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT category_is_not_blank_and_short CHECK (btrim(category) <> '' AND length(category) <= 100),
    CONSTRAINT presets_are_not_archived CHECK (NOT is_preset OR archived_at IS NULL),
    CONSTRAINT preset_keys_are_reserved CHECK (is_preset = (id < 1000))
);
COMMENT ON TABLE vibe.pipelines IS 'Templates: an ordered line of steps, with branches beside it.';
COMMENT ON COLUMN vibe.pipelines.id IS 'Key; below 1000 for presets.';
COMMENT ON COLUMN vibe.pipelines.slug IS 'Short name, unique among those that are not archived.';
COMMENT ON COLUMN vibe.pipelines.name IS 'Name for people.';
COMMENT ON COLUMN vibe.pipelines.description IS 'What it produces.';
COMMENT ON COLUMN vibe.pipelines.category IS 'A word of yours to group pipelines by.';
COMMENT ON COLUMN vibe.pipelines.forked_from IS 'The pipeline it was copied from, which may have been deleted since; NULL for one of its own.';
COMMENT ON COLUMN vibe.pipelines.is_preset IS 'Came with the extension: read-only, not part of a dump.';
COMMENT ON COLUMN vibe.pipelines.archived_at IS 'When it was deleted while ended campaigns or tasks still referred to it; NULL while in use.';
COMMENT ON COLUMN vibe.pipelines.created_at IS 'When it was created.';

CREATE TABLE vibe.pipeline_versions (
    id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1000) PRIMARY KEY,
    pipeline_id bigint NOT NULL REFERENCES vibe.pipelines ON DELETE CASCADE,
    number integer NOT NULL,
    definition jsonb NOT NULL,
    convergence_step integer,
    on_complete jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    CONSTRAINT pipeline_versions_number_key UNIQUE (pipeline_id, number),
    CONSTRAINT number_is_positive CHECK (number > 0)
);
COMMENT ON TABLE vibe.pipeline_versions IS 'What a pipeline was at one time. Never changed: a campaign keeps the version it started with. The current one has the highest number.';
COMMENT ON COLUMN vibe.pipeline_versions.id IS 'Key; below 1000 for presets.';
COMMENT ON COLUMN vibe.pipeline_versions.pipeline_id IS 'The pipeline.';
COMMENT ON COLUMN vibe.pipeline_versions.number IS 'Counts from 1 within the pipeline.';
COMMENT ON COLUMN vibe.pipeline_versions.definition IS 'The definition as it was given.';
COMMENT ON COLUMN vibe.pipeline_versions.convergence_step IS 'Main steps from this one on wait for all branches; NULL: none waits.';
COMMENT ON COLUMN vibe.pipeline_versions.on_complete IS 'What follows when a campaign is completed, each true or false: summary (how it went, in the feed and in what is sent), generate_manifest (the feed names the call that returns it), telegram (it is told there, unless a rule says otherwise).';
COMMENT ON COLUMN vibe.pipeline_versions.created_at IS 'When it was made.';

CREATE TABLE vibe.pipeline_steps (
    pipeline_version_id bigint NOT NULL REFERENCES vibe.pipeline_versions ON DELETE CASCADE,
    branch text NOT NULL DEFAULT '',
    step integer NOT NULL,
    label text NOT NULL,
    agent_name text REFERENCES vibe.agents,
    model text,
    description text,
    output_dir text,
    timeout interval,
    max_attempts integer NOT NULL DEFAULT 3,
    gate text,
    trigger_after_step integer,
    deliverable text,
    PRIMARY KEY (pipeline_version_id, branch, step),
    CONSTRAINT step_is_not_negative CHECK (step >= 0),
    CONSTRAINT max_attempts_is_sane CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT timeout_is_sane CHECK (timeout BETWEEN interval '1 second' AND interval '24 hours'),
    CONSTRAINT gate_is_known CHECK (gate IN ('human')),
    CONSTRAINT model_cannot_be_an_option CHECK (model ~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$'),
    CONSTRAINT output_dir_is_one_safe_path_element CHECK (output_dir ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    CONSTRAINT branch_has_an_agent_and_a_trigger CHECK (
        (branch = '') = (trigger_after_step IS NULL) AND (branch = '' OR (agent_name IS NOT NULL AND step = 0)))
);
COMMENT ON TABLE vibe.pipeline_steps IS 'The steps of a pipeline version: its main line (branch '''') and its branches of one step each.';
COMMENT ON COLUMN vibe.pipeline_steps.pipeline_version_id IS 'The version.';
COMMENT ON COLUMN vibe.pipeline_steps.branch IS 'Empty for the main line, else the branch''s label.';
COMMENT ON COLUMN vibe.pipeline_steps.step IS 'Order on the main line; 0 for a branch.';
COMMENT ON COLUMN vibe.pipeline_steps.label IS 'Name for people.';
COMMENT ON COLUMN vibe.pipeline_steps.agent_name IS 'Who does it; NULL passes by itself, or holds where gate is human.';
COMMENT ON COLUMN vibe.pipeline_steps.model IS 'Model for this step; NULL uses the agent''s.';
COMMENT ON COLUMN vibe.pipeline_steps.description IS 'What is to be done, for people and prompts.';
COMMENT ON COLUMN vibe.pipeline_steps.output_dir IS 'Where its output goes; names the task''s status through vibe.output_statuses.';
COMMENT ON COLUMN vibe.pipeline_steps.timeout IS 'Longest run; NULL uses the runner''s limit.';
COMMENT ON COLUMN vibe.pipeline_steps.max_attempts IS 'Attempts before the task is blocked for a person.';
COMMENT ON COLUMN vibe.pipeline_steps.gate IS 'human: a person approves after the step before the next one starts.';
COMMENT ON COLUMN vibe.pipeline_steps.trigger_after_step IS 'Branches only: the main step whose completion starts it.';
COMMENT ON COLUMN vibe.pipeline_steps.deliverable IS 'Branches only: the deliverable it makes; it starts only where that is wanted.';

SELECT pg_catalog.pg_extension_config_dump('vibe.task_statuses', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.task_transitions', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.output_statuses', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.projects', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agents', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_overrides', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.pipelines', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.pipeline_versions', 'WHERE id >= 1000');
SELECT pg_catalog.pg_extension_config_dump('vibe.pipeline_steps', 'WHERE pipeline_version_id >= 1000');
SELECT pg_catalog.pg_extension_config_dump('vibe.projects_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.pipelines_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.pipeline_versions_id_seq', '');
-- Campaigns and their tasks. What a row may be is said in 20_tables.sql.

CREATE TABLE vibe.campaigns (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES vibe.projects,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    description text,
    status text NOT NULL DEFAULT 'planning',
    pipeline_version_id bigint NOT NULL REFERENCES vibe.pipeline_versions,
    target_article_count integer NOT NULL DEFAULT 5,
    seed_keywords text[] NOT NULL DEFAULT '{}',
    competitor_urls text[] NOT NULL DEFAULT '{}',
    focus_group_ids text[] NOT NULL DEFAULT '{}',
    deliverables jsonb,
    budget_usd numeric,
    task_budget_usd numeric,
    run_budget_usd numeric,
    max_revisions integer NOT NULL DEFAULT 3,
    max_parallel integer,
    backlog_threshold integer,
    backlog_agent text REFERENCES vibe.agents,
    notes text,
    paused_from text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    activated_at timestamptz,
    reopened_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT name_is_not_blank CHECK (btrim(name) <> ''),
    CONSTRAINT status_is_known CHECK (status IN ('planning', 'active', 'paused', 'in_revision', 'completed', 'cancelled')),
    CONSTRAINT target_article_count_is_sane CHECK (target_article_count BETWEEN 1 AND 1000000),
    CONSTRAINT max_revisions_is_sane CHECK (max_revisions BETWEEN 0 AND 1000),
    CONSTRAINT max_parallel_is_sane CHECK (max_parallel BETWEEN 1 AND 10000),
    CONSTRAINT backlog_threshold_is_sane CHECK (backlog_threshold BETWEEN 0 AND 1000000),
    CONSTRAINT budget_is_a_positive_amount CHECK (budget_usd > 0 AND budget_usd < 'Infinity'::numeric),
    CONSTRAINT task_budget_is_a_positive_amount CHECK (task_budget_usd > 0 AND task_budget_usd < 1e12),
    CONSTRAINT run_budget_is_a_positive_amount CHECK (run_budget_usd > 0 AND run_budget_usd < 1e12),
    CONSTRAINT deliverables_is_an_object_or_array CHECK (jsonb_typeof(deliverables) IN ('object', 'array')),
    CONSTRAINT ended_at_only_when_final CHECK ((ended_at IS NOT NULL) = (status IN ('completed', 'cancelled'))),
    CONSTRAINT paused_from_only_while_paused CHECK ((paused_from IS NOT NULL) = (status = 'paused'))
);
COMMENT ON TABLE vibe.campaigns IS 'Campaigns: a number of tasks that go through one pipeline version.';
COMMENT ON COLUMN vibe.campaigns.id IS 'Key.';
COMMENT ON COLUMN vibe.campaigns.project_id IS 'The project.';
COMMENT ON COLUMN vibe.campaigns.slug IS 'Short name, unique in the database.';
COMMENT ON COLUMN vibe.campaigns.name IS 'Name for people; also the title of tasks without a keyword.';
COMMENT ON COLUMN vibe.campaigns.description IS 'What it is about; told to agents.';
COMMENT ON COLUMN vibe.campaigns.status IS 'planning, active, paused, in_revision, completed, cancelled.';
COMMENT ON COLUMN vibe.campaigns.pipeline_version_id IS 'The pipeline version it was created with, for good.';
COMMENT ON COLUMN vibe.campaigns.target_article_count IS 'How many tasks activation creates.';
COMMENT ON COLUMN vibe.campaigns.seed_keywords IS 'Topics of the tasks that activation and extension create, in this order.';
COMMENT ON COLUMN vibe.campaigns.competitor_urls IS 'Told to agents.';
COMMENT ON COLUMN vibe.campaigns.focus_group_ids IS 'Told to agents.';
COMMENT ON COLUMN vibe.campaigns.deliverables IS 'Wanted deliverables, {"heroImage": true} or ["heroImage"]; NULL wants all that the pipeline offers.';
COMMENT ON COLUMN vibe.campaigns.budget_usd IS 'Ceiling of what all its runs may cost together; NULL is none.';
COMMENT ON COLUMN vibe.campaigns.task_budget_usd IS 'Ceiling of what the runs of one of its tasks may cost together; NULL is none.';
COMMENT ON COLUMN vibe.campaigns.run_budget_usd IS 'What one of its runs may cost, reserved before it starts and told to the agent; NULL uses that of the agent or of the database.';
COMMENT ON COLUMN vibe.campaigns.max_revisions IS 'Revision rounds of a task before it is blocked for a person.';
COMMENT ON COLUMN vibe.campaigns.max_parallel IS 'Runs of its tasks at once, 1 to 10000; NULL is no limit.';
COMMENT ON COLUMN vibe.campaigns.backlog_threshold IS 'Fewer open tasks that nobody has begun than this are a low backlog, 0 to 1000000; NULL watches nothing.';
COMMENT ON COLUMN vibe.campaigns.backlog_agent IS 'The agent that is to fill a low backlog up; NULL: vibe-keyword-researcher.';
COMMENT ON COLUMN vibe.campaigns.notes IS 'Free notes.';
COMMENT ON COLUMN vibe.campaigns.paused_from IS 'Which status resume_campaign() goes back to.';
COMMENT ON COLUMN vibe.campaigns.created_at IS 'When it was created.';
COMMENT ON COLUMN vibe.campaigns.updated_at IS 'When its own row last changed.';
COMMENT ON COLUMN vibe.campaigns.activated_at IS 'When its tasks were created; NULL while planning.';
COMMENT ON COLUMN vibe.campaigns.reopened_at IS 'When it was last opened again; it is not completed by itself before a task has ended since.';
COMMENT ON COLUMN vibe.campaigns.ended_at IS 'When it was completed or cancelled.';

CREATE TABLE vibe.tasks (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES vibe.projects,
    campaign_id bigint REFERENCES vibe.campaigns,
    pipeline_version_id bigint NOT NULL REFERENCES vibe.pipeline_versions,
    number integer NOT NULL,
    title text NOT NULL,
    slug text NOT NULL,
    keyword text,
    keyword_number integer,
    description text,
    status text NOT NULL DEFAULT 'backlog' REFERENCES vibe.task_statuses,
    step integer,
    priority text NOT NULL DEFAULT 'medium',
    quality_score numeric,
    revision_count integer NOT NULL DEFAULT 0,
    rejection_notes text,
    deliverables jsonb,
    cancelled_branches text[] NOT NULL DEFAULT '{}',
    approved_usd numeric NOT NULL DEFAULT 0,
    folded_usd numeric NOT NULL DEFAULT 0,
    idempotency_key text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT title_is_not_blank_and_not_huge CHECK (btrim(title) <> '' AND length(title) <= 2000),
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT idempotency_key_is_short CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    CONSTRAINT priority_is_known CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    CONSTRAINT quality_score_is_a_percentage CHECK (quality_score BETWEEN 0 AND 100),
    CONSTRAINT revision_count_is_not_negative CHECK (revision_count >= 0),
    CONSTRAINT amounts_are_not_negative CHECK (approved_usd >= 0 AND folded_usd >= 0),
    CONSTRAINT deliverables_is_an_object_or_array CHECK (jsonb_typeof(deliverables) IN ('object', 'array'))
);
COMMENT ON TABLE vibe.tasks IS 'One article, or any unit of work, on its way through a pipeline.';
COMMENT ON COLUMN vibe.tasks.id IS 'Key.';
COMMENT ON COLUMN vibe.tasks.project_id IS 'The project.';
COMMENT ON COLUMN vibe.tasks.campaign_id IS 'The campaign; NULL for a task of its own.';
COMMENT ON COLUMN vibe.tasks.pipeline_version_id IS 'The steps it goes through.';
COMMENT ON COLUMN vibe.tasks.number IS 'Counts from 1 within the campaign, or among the project''s tasks without one.';
COMMENT ON COLUMN vibe.tasks.title IS 'What it is about; free text, reaches agents on standard input only.';
COMMENT ON COLUMN vibe.tasks.slug IS 'File name of its outputs, without ending.';
COMMENT ON COLUMN vibe.tasks.keyword IS 'The keyword it was made from.';
COMMENT ON COLUMN vibe.tasks.keyword_number IS 'Counts the tasks that were generated: which seed keyword is its topic. NULL for one of create_task().';
COMMENT ON COLUMN vibe.tasks.description IS 'More about it, for agents.';
COMMENT ON COLUMN vibe.tasks.status IS 'Where it stands, for people: a row of vibe.task_statuses.';
COMMENT ON COLUMN vibe.tasks.step IS 'The main step it is at; NULL once its main line is done, also while branches are not.';
COMMENT ON COLUMN vibe.tasks.priority IS 'low, medium, high or urgent.';
COMMENT ON COLUMN vibe.tasks.quality_score IS 'The last score a step gave, 0 to 100.';
COMMENT ON COLUMN vibe.tasks.revision_count IS 'How many revisions were asked for.';
COMMENT ON COLUMN vibe.tasks.rejection_notes IS 'Notes of the last revision of the main line, until its target step is done again; those of a branch stand in vibe.runs.notes.';
COMMENT ON COLUMN vibe.tasks.deliverables IS 'Wanted deliverables of this task; NULL uses the campaign''s.';
COMMENT ON COLUMN vibe.tasks.cancelled_branches IS 'Branches that were given up alone: they never open by themselves and hold nothing.';
COMMENT ON COLUMN vibe.tasks.approved_usd IS 'What approve_budget() added to the task''s ceiling.';
COMMENT ON COLUMN vibe.tasks.folded_usd IS 'What those of its runs counted that were pruned.';
COMMENT ON COLUMN vibe.tasks.idempotency_key IS 'The key that create_task() was called with; unique within the project.';
COMMENT ON COLUMN vibe.tasks.created_at IS 'When it was created.';
COMMENT ON COLUMN vibe.tasks.updated_at IS 'When its own row last changed.';
COMMENT ON COLUMN vibe.tasks.ended_at IS 'When it was completed or cancelled; NULL while open.';

SELECT pg_catalog.pg_extension_config_dump('vibe.campaigns', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.tasks', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.campaigns_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.tasks_id_seq', '');
-- Model providers. A rate limit is weather: it is a state of the provider, one row, and never a failure of a task.

CREATE TABLE vibe.providers (
    name text PRIMARY KEY,
    max_parallel integer,
    paused_at timestamptz,
    paused_until timestamptz,
    pause_reason text,
    pauses_in_a_row smallint NOT NULL DEFAULT 0,
    probed_at timestamptz,
    CONSTRAINT name_is_one_plain_word CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
    CONSTRAINT max_parallel_is_positive CHECK (max_parallel BETWEEN 1 AND 100000),
    CONSTRAINT pause_is_whole CHECK (
        (paused_at IS NULL) = (paused_until IS NULL) AND (paused_at IS NULL) = (pause_reason IS NULL)),
    CONSTRAINT probe_follows_a_pause CHECK (probed_at IS NULL OR paused_at IS NOT NULL),
    CONSTRAINT pauses_in_a_row_is_not_negative CHECK (pauses_in_a_row >= 0)
);
COMMENT ON TABLE vibe.providers IS 'Model providers that runners name: how many runs at a time, and until when one is paused. One without a row has no limit and is not paused.';
COMMENT ON COLUMN vibe.providers.name IS 'Key, as the runner file names it.';
COMMENT ON COLUMN vibe.providers.max_parallel IS 'Most runs at a time, whatever their runners; NULL is no limit.';
COMMENT ON COLUMN vibe.providers.paused_at IS 'When the last pause began; NULL once a run has shown that it is over.';
COMMENT ON COLUMN vibe.providers.paused_until IS 'No run starts before; infinity waits for resume_provider().';
COMMENT ON COLUMN vibe.providers.pause_reason IS 'Why it was paused.';
COMMENT ON COLUMN vibe.providers.pauses_in_a_row IS 'Pauses since the last run that went well; sets how long the next one is where the provider does not say.';
COMMENT ON COLUMN vibe.providers.probed_at IS 'When the one run started that goes first after a pause.';
SELECT pg_catalog.pg_extension_config_dump('vibe.providers', '');
-- What is to be run without a task. A heartbeat's row goes away with its end, as those of vibe.work do; a channel's
-- row stays and carries its back-off.

CREATE TABLE vibe.chores (
    name text PRIMARY KEY,
    kind text NOT NULL,
    agent_name text REFERENCES vibe.agents ON DELETE CASCADE,
    channel text,
    ready_at timestamptz NOT NULL,
    run_id bigint,
    failures smallint NOT NULL DEFAULT 0,
    note text,
    CONSTRAINT kind_is_known CHECK (kind IN ('heartbeat', 'notify')),
    CONSTRAINT a_heartbeat_names_its_agent CHECK ((kind = 'heartbeat') = (agent_name IS NOT NULL)),
    CONSTRAINT a_notifier_names_its_channel CHECK ((kind = 'notify') = (channel IS NOT NULL)),
    CONSTRAINT failures_is_not_negative CHECK (failures >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE vibe.chores IS 'Work that belongs to no task: heartbeats that were asked for, and one row for each channel that notifications go to.';
COMMENT ON COLUMN vibe.chores.name IS 'Key: the kind and whose it is, such as "heartbeat vibe-orchestrator"; so there is one at most.';
COMMENT ON COLUMN vibe.chores.kind IS 'heartbeat or notify.';
COMMENT ON COLUMN vibe.chores.agent_name IS 'heartbeat: the agent.';
COMMENT ON COLUMN vibe.chores.channel IS 'notify: the channel, which is the name of the runner that delivers.';
COMMENT ON COLUMN vibe.chores.ready_at IS 'Not before.';
COMMENT ON COLUMN vibe.chores.run_id IS 'The run that does it now.';
COMMENT ON COLUMN vibe.chores.failures IS 'notify: runs in a row that brought nothing out; sets the back-off.';
COMMENT ON COLUMN vibe.chores.note IS 'heartbeat: what a person told its run.';
SELECT pg_catalog.pg_extension_config_dump('vibe.chores', '');
-- Money. What a run costs is told by its agent or computed from prices; what it may cost is reserved before it
-- starts. What ended runs used is counted once, in the transaction that ends them: as an entry of its own, so that
-- no row is written by every step, and entries are merged into totals a few hundred at a time. So no sum reads
-- history, and pruning runs or deleting a task shrinks no budget.

CREATE TABLE vibe.prices (
    model text NOT NULL,
    valid_from timestamptz NOT NULL,
    input_usd numeric NOT NULL,
    output_usd numeric NOT NULL,
    cache_read_usd numeric NOT NULL,
    cache_write_usd numeric NOT NULL,
    PRIMARY KEY (model, valid_from),
    CONSTRAINT model_is_a_name CHECK (model ~ '^[^\x01-\x1f]{1,200}$'),
    CONSTRAINT valid_from_is_a_time CHECK (isfinite(valid_from)),
    CONSTRAINT prices_are_amounts CHECK (
        input_usd BETWEEN 0 AND 1e6 AND output_usd BETWEEN 0 AND 1e6
        AND cache_read_usd BETWEEN 0 AND 1e6 AND cache_write_usd BETWEEN 0 AND 1e6)
);
COMMENT ON TABLE vibe.prices IS 'What a million tokens of a model cost in US dollars, from when on: for agents that report tokens and no cost.';
COMMENT ON COLUMN vibe.prices.model IS 'The model, as steps or agents name it or as the agent reports it.';
COMMENT ON COLUMN vibe.prices.valid_from IS 'Runs claimed from then on, until the next row of the model.';
COMMENT ON COLUMN vibe.prices.input_usd IS 'Per million tokens read, without cached ones.';
COMMENT ON COLUMN vibe.prices.output_usd IS 'Per million tokens written.';
COMMENT ON COLUMN vibe.prices.cache_read_usd IS 'Per million tokens read from a cache.';
COMMENT ON COLUMN vibe.prices.cache_write_usd IS 'Per million tokens written to a cache.';

CREATE TABLE vibe.budgets (
    period text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL DEFAULT '',
    amount_usd numeric NOT NULL,
    PRIMARY KEY (period, scope, key),
    CONSTRAINT period_is_known CHECK (period IN ('day', 'run')),
    CONSTRAINT scope_is_known CHECK (scope IN ('database', 'project', 'agent', 'provider')),
    CONSTRAINT run_budgets_are_of_agents CHECK (period = 'day' OR scope IN ('database', 'agent')),
    CONSTRAINT database_has_no_key CHECK ((scope = 'database') = (key = '')),
    CONSTRAINT amount_is_positive CHECK (amount_usd > 0 AND amount_usd < 1e12)
);
COMMENT ON TABLE vibe.budgets IS 'Ceilings per day (UTC), and what a run may cost where its campaign does not say; those of campaigns and tasks stand in vibe.campaigns.';
COMMENT ON COLUMN vibe.budgets.period IS 'day: all runs claimed on one day, UTC. run: each single run.';
COMMENT ON COLUMN vibe.budgets.scope IS 'database, project, agent or provider.';
COMMENT ON COLUMN vibe.budgets.key IS 'Id of the project, name of the agent or provider; empty for the database.';
COMMENT ON COLUMN vibe.budgets.amount_usd IS 'US dollars.';

CREATE TABLE vibe.budget_crossings (
    name text PRIMARY KEY,
    amount_usd numeric NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE vibe.budget_crossings IS 'Ceilings that were reached and told of; a ceiling is told of again once it was changed and is reached again, one of a day on another day.';
COMMENT ON COLUMN vibe.budget_crossings.name IS 'Which ceiling.';
COMMENT ON COLUMN vibe.budget_crossings.amount_usd IS 'What it was.';
COMMENT ON COLUMN vibe.budget_crossings.day IS 'On which day, UTC.';
COMMENT ON COLUMN vibe.budget_crossings.at IS 'When that was found.';

CREATE TABLE vibe.usage_entries (
    run_id bigint PRIMARY KEY,
    project_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    agent_name text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    branch text NOT NULL,
    step integer NOT NULL,
    day date NOT NULL,
    unknown_cost_runs integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cost_usd numeric,
    counted_usd numeric NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE vibe.usage_entries IS 'What ended runs used that is not part of vibe.usage_totals yet: one row per run, a few hundred at most.';
COMMENT ON COLUMN vibe.usage_entries.run_id IS 'The run; it may be pruned.';
COMMENT ON COLUMN vibe.usage_entries.project_id IS 'Its project; 0 for a heartbeat.';
COMMENT ON COLUMN vibe.usage_entries.campaign_id IS 'Its campaign, 0 for none.';
COMMENT ON COLUMN vibe.usage_entries.agent_name IS 'Its agent.';
COMMENT ON COLUMN vibe.usage_entries.provider IS 'Its provider, empty for none.';
COMMENT ON COLUMN vibe.usage_entries.model IS 'Its model, empty for unknown.';
COMMENT ON COLUMN vibe.usage_entries.branch IS 'Its branch, empty for the main line.';
COMMENT ON COLUMN vibe.usage_entries.step IS 'Its step.';
COMMENT ON COLUMN vibe.usage_entries.day IS 'The day of its claim, UTC.';
COMMENT ON COLUMN vibe.usage_entries.unknown_cost_runs IS '1 if it ran and its cost is unknown, else 0.';
COMMENT ON COLUMN vibe.usage_entries.input_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.output_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cache_read_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cache_write_tokens IS 'As in vibe.runs, 0 for unknown.';
COMMENT ON COLUMN vibe.usage_entries.cost_usd IS 'Its cost; NULL is unknown.';
COMMENT ON COLUMN vibe.usage_entries.counted_usd IS 'What it counts against ceilings: its cost, or its reserve where that is unknown.';

CREATE TABLE vibe.usage_totals (
    campaign_id bigint NOT NULL,
    project_id bigint NOT NULL,
    agent_name text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    branch text NOT NULL,
    step integer NOT NULL,
    day date NOT NULL,
    runs bigint NOT NULL,
    unknown_cost_runs bigint NOT NULL,
    input_tokens numeric NOT NULL,
    output_tokens numeric NOT NULL,
    cache_read_tokens numeric NOT NULL,
    cache_write_tokens numeric NOT NULL,
    cost_usd numeric,
    counted_usd numeric NOT NULL,
    PRIMARY KEY (campaign_id, project_id, day, agent_name, provider, model, branch, step)
) WITH (fillfactor = 70);
COMMENT ON TABLE vibe.usage_totals IS 'What ended runs used, added up; with vibe.usage_entries it is all that was ever used, pruned runs and deleted tasks included.';
COMMENT ON COLUMN vibe.usage_totals.campaign_id IS 'The campaign, 0 for none.';
COMMENT ON COLUMN vibe.usage_totals.project_id IS 'The project; 0 for heartbeats.';
COMMENT ON COLUMN vibe.usage_totals.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.usage_totals.provider IS 'The provider, empty for none.';
COMMENT ON COLUMN vibe.usage_totals.model IS 'The model, empty for unknown.';
COMMENT ON COLUMN vibe.usage_totals.branch IS 'The branch, empty for the main line.';
COMMENT ON COLUMN vibe.usage_totals.step IS 'The step.';
COMMENT ON COLUMN vibe.usage_totals.day IS 'The day of the claim, UTC.';
COMMENT ON COLUMN vibe.usage_totals.runs IS 'How many runs.';
COMMENT ON COLUMN vibe.usage_totals.unknown_cost_runs IS 'How many of them ran at an unknown cost.';
COMMENT ON COLUMN vibe.usage_totals.input_tokens IS 'Tokens read, without cached ones.';
COMMENT ON COLUMN vibe.usage_totals.output_tokens IS 'Tokens written.';
COMMENT ON COLUMN vibe.usage_totals.cache_read_tokens IS 'Tokens read from a cache.';
COMMENT ON COLUMN vibe.usage_totals.cache_write_tokens IS 'Tokens written to a cache.';
COMMENT ON COLUMN vibe.usage_totals.cost_usd IS 'The known costs, in US dollars; NULL where none is known.';
COMMENT ON COLUMN vibe.usage_totals.counted_usd IS 'What counts against ceilings: costs, and reserves where a cost is unknown.';

SELECT pg_catalog.pg_extension_config_dump('vibe.prices', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.budgets', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.budget_crossings', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.usage_entries', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.usage_totals', '');
-- Who has to do with a task besides the agents that its pipeline names.

CREATE TABLE vibe.task_assignees (
    task_id bigint NOT NULL REFERENCES vibe.tasks ON DELETE CASCADE,
    agent_name text NOT NULL REFERENCES vibe.agents,
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, agent_name)
);
COMMENT ON TABLE vibe.task_assignees IS 'Agents that answer for a task; who does which step is said by its pipeline alone.';
COMMENT ON COLUMN vibe.task_assignees.task_id IS 'The task.';
COMMENT ON COLUMN vibe.task_assignees.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.task_assignees.assigned_at IS 'Since when.';

CREATE TABLE vibe.task_subscribers (
    task_id bigint NOT NULL REFERENCES vibe.tasks ON DELETE CASCADE,
    name text NOT NULL,
    subscribed_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, name),
    CONSTRAINT name_is_not_blank_and_not_huge CHECK (btrim(name) <> '' AND length(name) <= 200)
);
COMMENT ON TABLE vibe.task_subscribers IS 'Who wants to hear about a task.';
COMMENT ON COLUMN vibe.task_subscribers.task_id IS 'The task.';
COMMENT ON COLUMN vibe.task_subscribers.name IS 'A user, an agent, an address: whatever the reader of the notifications knows.';
COMMENT ON COLUMN vibe.task_subscribers.subscribed_at IS 'Since when.';

SELECT pg_catalog.pg_extension_config_dump('vibe.task_assignees', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.task_subscribers', '');
-- History, and where the data lives.

CREATE TABLE vibe.activities (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    project_id bigint,
    campaign_id bigint,
    task_id bigint,
    message text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE vibe.activities IS 'What happened that runs do not tell already: activation, pauses, revisions, blocks, repairs.';
COMMENT ON COLUMN vibe.activities.id IS 'Key.';
COMMENT ON COLUMN vibe.activities.at IS 'When.';
COMMENT ON COLUMN vibe.activities.kind IS 'What kind: campaign_activated, task_blocked, revision_requested and so on.';
COMMENT ON COLUMN vibe.activities.actor IS 'The database role, also behind SET ROLE.';
COMMENT ON COLUMN vibe.activities.project_id IS 'The project it is about.';
COMMENT ON COLUMN vibe.activities.campaign_id IS 'The campaign it is about.';
COMMENT ON COLUMN vibe.activities.task_id IS 'The task it is about.';
COMMENT ON COLUMN vibe.activities.message IS 'One sentence for people.';
COMMENT ON COLUMN vibe.activities.detail IS 'The values.';

-- Where this database lives. A copy (restored dump, promoted standby elsewhere, clone) finds another identity
-- than its own here and starts nothing until take_over().
CREATE TABLE vibe.home (
    singleton boolean PRIMARY KEY DEFAULT true,
    identity text NOT NULL,
    since timestamptz NOT NULL,
    draining_since timestamptz,
    CONSTRAINT one_row CHECK (singleton)
);
COMMENT ON TABLE vibe.home IS 'The server, database and machine that may start agents for this data; one row.';
COMMENT ON COLUMN vibe.home.singleton IS 'Always true.';
COMMENT ON COLUMN vibe.home.identity IS 'System identifier, database oid and machine id.';
COMMENT ON COLUMN vibe.home.since IS 'When it came to live here.';
COMMENT ON COLUMN vibe.home.draining_since IS 'Since when nothing is claimed, for a restart or repairs; NULL while all goes on.';

SELECT pg_catalog.pg_extension_config_dump('vibe.activities', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.home', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.activities_id_seq', '');
-- Skills: folders or files that agents are told to read; which agent loads which; and when an agent that runs
-- elsewhere last said that it lives.

CREATE TABLE vibe.skills (
    slug text PRIMARY KEY,
    name text NOT NULL,
    path text NOT NULL,
    kind text NOT NULL DEFAULT 'skill',
    description text,
    created_at timestamptz NOT NULL,
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT name_is_not_blank CHECK (btrim(name) <> ''),
    CONSTRAINT path_is_plain CHECK (path ~ '^[^\x01-\x1f~-][^\x01-\x1f]*$' AND path !~ '(^|/)\.\.?(/|$)' AND length(path) <= 1000),
    CONSTRAINT kind_is_one_plain_word CHECK (kind ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$')
);
COMMENT ON TABLE vibe.skills IS 'Skills that agents may load.';
COMMENT ON COLUMN vibe.skills.slug IS 'Key, as agents'' lists name it.';
COMMENT ON COLUMN vibe.skills.name IS 'Name for people.';
COMMENT ON COLUMN vibe.skills.path IS 'Where it is: absolute, or relative to where the agent looks for skills. Only told to agents.';
COMMENT ON COLUMN vibe.skills.kind IS 'What it is: skill, or a word of yours.';
COMMENT ON COLUMN vibe.skills.description IS 'What it is good for.';
COMMENT ON COLUMN vibe.skills.created_at IS 'When it was registered.';

CREATE TABLE vibe.agent_skills (
    agent_name text NOT NULL REFERENCES vibe.agents ON DELETE CASCADE,
    skill_slug text NOT NULL REFERENCES vibe.skills,
    position integer NOT NULL,
    PRIMARY KEY (agent_name, skill_slug),
    CONSTRAINT position_is_positive CHECK (position > 0)
);
COMMENT ON TABLE vibe.agent_skills IS 'Which agent loads which skills, also for agents that came with the extension.';
COMMENT ON COLUMN vibe.agent_skills.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_skills.skill_slug IS 'The skill.';
COMMENT ON COLUMN vibe.agent_skills.position IS 'Its place in the agent''s list, from 1.';

-- Apart from vibe.agents, whose rows the claim reads: what is written again and again stays out of their way.
CREATE TABLE vibe.agent_heartbeats (
    agent_name text PRIMARY KEY REFERENCES vibe.agents ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE vibe.agent_heartbeats IS 'When agents that are started elsewhere last said that they live.';
COMMENT ON COLUMN vibe.agent_heartbeats.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_heartbeats.seen_at IS 'When agent_heartbeat() was last noted.';

SELECT pg_catalog.pg_extension_config_dump('vibe.skills', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_skills', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_heartbeats', '');
-- Tables of notifications: what people are told (the inbox), who wants which kind where (rules), and what is to
-- be sent (the outbox). Rows are written in the transaction that causes them, by vibe._notify() alone. Whatever
-- these tables hold must never make the verb fail that tells something: nothing in them is unique or refers to
-- another row across transactions, so a writer neither waits for another one nor is refused.

CREATE TABLE vibe.notification_kinds (
    kind text PRIMARY KEY,
    description text NOT NULL,
    in_app boolean NOT NULL DEFAULT true,
    is_preset boolean NOT NULL DEFAULT false,
    CONSTRAINT kind_is_one_plain_word CHECK (kind ~ '^[a-z0-9][a-z0-9_]{0,62}$')
);
COMMENT ON TABLE vibe.notification_kinds IS 'What can be told. Users add their own; one named like a kind of vibe.activities is told whenever such a line is written.';
COMMENT ON COLUMN vibe.notification_kinds.kind IS 'The kind.';
COMMENT ON COLUMN vibe.notification_kinds.description IS 'When it is told, for people.';
COMMENT ON COLUMN vibe.notification_kinds.in_app IS 'Whether the inbox shows it where no rule for the channel in_app says otherwise.';
COMMENT ON COLUMN vibe.notification_kinds.is_preset IS 'Came with the extension; not part of a dump.';

CREATE TABLE vibe.notification_rules (
    kind text NOT NULL REFERENCES vibe.notification_kinds ON DELETE CASCADE,
    channel text NOT NULL,
    enabled boolean NOT NULL,
    collect_for interval NOT NULL DEFAULT '0',
    PRIMARY KEY (kind, channel),
    CONSTRAINT channel_is_one_plain_word CHECK (channel ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
    CONSTRAINT collect_for_is_a_day_at_most CHECK (collect_for BETWEEN interval '0' AND interval '1 day')
);
COMMENT ON TABLE vibe.notification_rules IS 'Which kinds go to which channels: rows of users, which also override a kind''s in_app.';
COMMENT ON COLUMN vibe.notification_rules.kind IS 'The kind.';
COMMENT ON COLUMN vibe.notification_rules.channel IS 'in_app, or the name of a notifier in the runner file.';
COMMENT ON COLUMN vibe.notification_rules.enabled IS 'Whether this kind goes there.';
COMMENT ON COLUMN vibe.notification_rules.collect_for IS 'How long a message waits for others of its kind and campaign, to go out with them.';

CREATE TABLE vibe.notifications (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    recipient text,
    project_id bigint,
    campaign_id bigint,
    task_id bigint,
    run_id bigint,
    message text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    dedup_key text,
    in_app boolean NOT NULL,
    read_at timestamptz
);
COMMENT ON TABLE vibe.notifications IS 'What people were told, kept for vibe_orchestrator.notification_retention: the inbox, and the text of what is sent.';
COMMENT ON COLUMN vibe.notifications.id IS 'Key.';
COMMENT ON COLUMN vibe.notifications.at IS 'When.';
COMMENT ON COLUMN vibe.notifications.kind IS 'What kind.';
COMMENT ON COLUMN vibe.notifications.recipient IS 'Whom it is for; NULL: everyone.';
COMMENT ON COLUMN vibe.notifications.project_id IS 'The project it is about.';
COMMENT ON COLUMN vibe.notifications.campaign_id IS 'The campaign it is about.';
COMMENT ON COLUMN vibe.notifications.task_id IS 'The task it is about.';
COMMENT ON COLUMN vibe.notifications.run_id IS 'The run it is about.';
COMMENT ON COLUMN vibe.notifications.message IS 'One sentence for people; plain text that may hold what agents wrote.';
COMMENT ON COLUMN vibe.notifications.detail IS 'The values.';
COMMENT ON COLUMN vibe.notifications.dedup_key IS 'Another notification with this key is not made within ten minutes; NULL: each one counts.';
COMMENT ON COLUMN vibe.notifications.in_app IS 'Whether the inbox shows it.';
COMMENT ON COLUMN vibe.notifications.read_at IS 'When it was marked as read; NULL while it is new.';

-- pending ---> sent | failed (attempts used up) | dropped (too late, channel gone)
CREATE TABLE vibe.deliveries (
    notification_id bigint NOT NULL REFERENCES vibe.notifications ON DELETE CASCADE,
    channel text NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    attempts smallint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    sent_at timestamptz,
    error text,
    message_id bigint,
    run_id bigint,
    doubts smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (notification_id, channel),
    CONSTRAINT state_is_known CHECK (state IN ('pending', 'sent', 'failed', 'dropped')),
    CONSTRAINT only_pending_has_a_next_attempt CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT only_sent_says_when CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT counts_are_not_negative CHECK (attempts >= 0 AND doubts >= 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE vibe.deliveries IS 'The outbox: one row per notification and channel that a rule enables.';
COMMENT ON COLUMN vibe.deliveries.notification_id IS 'The notification.';
COMMENT ON COLUMN vibe.deliveries.channel IS 'The notifier that sends it.';
COMMENT ON COLUMN vibe.deliveries.state IS 'pending, sent, failed or dropped.';
COMMENT ON COLUMN vibe.deliveries.attempts IS 'How often sending it was tried.';
COMMENT ON COLUMN vibe.deliveries.next_attempt_at IS 'When it is due; NULL once it is settled.';
COMMENT ON COLUMN vibe.deliveries.sent_at IS 'When it was sent.';
COMMENT ON COLUMN vibe.deliveries.error IS 'Why the last attempt failed, or why it was dropped.';
COMMENT ON COLUMN vibe.deliveries.message_id IS 'The message it goes out with, named by its first notification; set by the first attempt, and then for good: a message that is repeated is the same one.';
COMMENT ON COLUMN vibe.deliveries.run_id IS 'The run that sends it now, or sent it.';
COMMENT ON COLUMN vibe.deliveries.doubts IS 'Attempts after which nobody can know whether it arrived; the second is the last.';

CREATE INDEX notifications_unread_idx ON vibe.notifications (id) WHERE read_at IS NULL AND in_app;
CREATE INDEX notifications_dedup_idx ON vibe.notifications (dedup_key, at) WHERE dedup_key IS NOT NULL;
CREATE INDEX notifications_at_idx ON vibe.notifications (at);
-- What is due on a channel, and when anything will be.
CREATE INDEX deliveries_due_idx ON vibe.deliveries (channel, next_attempt_at) WHERE state = 'pending';
CREATE INDEX deliveries_next_idx ON vibe.deliveries (next_attempt_at) WHERE state = 'pending';

INSERT INTO vibe.notification_kinds (kind, description, in_app, is_preset) VALUES
    ('campaign_activated', 'a campaign was activated', true, true),
    ('campaign_completed', 'a campaign was completed', true, true),
    ('task_completed', 'a task was completed', true, true),
    ('task_blocked', 'a task needs a person', true, true),
    ('step_advanced', 'a step was done', false, true),
    ('agent_crashed', 'an agent died, could not be started, or lost its supervisor', true, true),
    ('approval_needed', 'a result, or a gate, waits for a person''s approval', true, true),
    ('budget_reached', 'a spending ceiling was reached', true, true),
    ('provider_paused', 'a model provider asked to wait', true, true),
    ('backlog_low', 'a campaign has little left to do', true, true),
    ('heartbeat_failed', 'a heartbeat of an agent ended without success', false, true),
    ('channel_failed', 'notifications cannot be sent on a channel', true, true);

SELECT pg_catalog.pg_extension_config_dump('vibe.notification_kinds', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.notification_rules', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.notifications', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.deliveries', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.notifications_id_seq', '');
-- Tables of the registry of external services: which service serves a capability, in which order, for whom, and
-- how calls of it went. No secret is ever in here: a service names the environment variable that holds one.
-- Whether a circuit is open is not stored: it is what the last calls say (vibe._service_health()).

CREATE TABLE vibe.service_categories (
    name text PRIMARY KEY,
    description text NOT NULL,
    is_preset boolean NOT NULL DEFAULT false,
    CONSTRAINT name_is_one_plain_word CHECK (name ~ '^[a-z0-9][a-z0-9_]{0,62}$')
);
COMMENT ON TABLE vibe.service_categories IS 'Capabilities that external services have, such as image_generation; users add their own.';
COMMENT ON COLUMN vibe.service_categories.name IS 'The capability.';
COMMENT ON COLUMN vibe.service_categories.description IS 'What it is good for, for people.';
COMMENT ON COLUMN vibe.service_categories.is_preset IS 'Came with the extension; not part of a dump.';

CREATE TABLE vibe.services (
    name text PRIMARY KEY,
    capability text NOT NULL REFERENCES vibe.service_categories,
    priority integer NOT NULL,
    env_var text,
    base_url text,
    use_cases text[] NOT NULL DEFAULT '{}',
    cost_per_call_usd numeric,
    config jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    CONSTRAINT name_is_one_plain_word CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    CONSTRAINT env_var_is_a_name CHECK (env_var ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    CONSTRAINT base_url_is_http CHECK (base_url ~ '^https?://[^\s@]+$' AND length(base_url) <= 2000),
    CONSTRAINT cost_is_an_amount CHECK (cost_per_call_usd >= 0 AND cost_per_call_usd < 'Infinity'::numeric),
    CONSTRAINT config_is_an_object CHECK (jsonb_typeof(config) = 'object')
);
COMMENT ON TABLE vibe.services IS 'External services: each serves one capability. A provider with several has a row for each, under names of their own.';
COMMENT ON COLUMN vibe.services.name IS 'Key.';
COMMENT ON COLUMN vibe.services.capability IS 'What it serves: a row of vibe.service_categories.';
COMMENT ON COLUMN vibe.services.priority IS 'Place in the chain of its capability: the lowest comes first, the name decides between equals.';
COMMENT ON COLUMN vibe.services.env_var IS 'Name of the environment variable in which agents find its key; NULL where it needs none. Never the key.';
COMMENT ON COLUMN vibe.services.base_url IS 'Where it is reached.';
COMMENT ON COLUMN vibe.services.use_cases IS 'What it is to be used for; empty: anything of its capability.';
COMMENT ON COLUMN vibe.services.cost_per_call_usd IS 'Usual cost of a call in US dollars; NULL is unknown.';
COMMENT ON COLUMN vibe.services.config IS 'Anything else that agents need to know to call it; no secrets.';
COMMENT ON COLUMN vibe.services.is_active IS 'Whether it is in any chain at all.';
COMMENT ON COLUMN vibe.services.created_at IS 'When it was registered.';

CREATE TABLE vibe.agent_services (
    agent_name text NOT NULL REFERENCES vibe.agents ON DELETE CASCADE,
    capability text NOT NULL REFERENCES vibe.service_categories,
    required boolean NOT NULL,
    PRIMARY KEY (agent_name, capability)
);
COMMENT ON TABLE vibe.agent_services IS 'Which capabilities an agent uses.';
COMMENT ON COLUMN vibe.agent_services.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_services.capability IS 'The capability.';
COMMENT ON COLUMN vibe.agent_services.required IS 'It cannot work without; false: it works less well.';

CREATE TABLE vibe.service_overrides (
    campaign_id bigint NOT NULL REFERENCES vibe.campaigns ON DELETE CASCADE,
    capability text NOT NULL REFERENCES vibe.service_categories,
    service_names text[] NOT NULL,
    PRIMARY KEY (campaign_id, capability),
    CONSTRAINT service_names_are_some CHECK (cardinality(service_names) > 0 AND array_position(service_names, NULL) IS NULL)
);
COMMENT ON TABLE vibe.service_overrides IS 'A campaign''s own chain of a capability, instead of the usual one.';
COMMENT ON COLUMN vibe.service_overrides.campaign_id IS 'The campaign.';
COMMENT ON COLUMN vibe.service_overrides.capability IS 'The capability.';
COMMENT ON COLUMN vibe.service_overrides.service_names IS 'Its services in their order; others are not used.';

-- A log: no foreign keys, so that writing a line locks no row that others want, and a line outlives what it is about.
CREATE TABLE vibe.service_calls (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    service_name text NOT NULL,
    status text NOT NULL,
    duration_ms integer,
    cost_usd numeric,
    error text,
    retry_at timestamptz,
    campaign_id bigint,
    task_id bigint,
    run_id bigint,
    agent_name text,
    CONSTRAINT status_is_known CHECK (status IN ('success', 'failed', 'timeout', 'rate_limited')),
    CONSTRAINT only_rate_limited_says_when CHECK (retry_at IS NULL OR status = 'rate_limited'),
    CONSTRAINT numbers_are_not_negative CHECK (duration_ms >= 0 AND cost_usd >= 0)
);
COMMENT ON TABLE vibe.service_calls IS 'Calls of external services and how they went, kept for 30 days; what the last ones of a service say is its circuit.';
COMMENT ON COLUMN vibe.service_calls.id IS 'Key.';
COMMENT ON COLUMN vibe.service_calls.at IS 'When the call was logged.';
COMMENT ON COLUMN vibe.service_calls.service_name IS 'The service.';
COMMENT ON COLUMN vibe.service_calls.status IS 'success, failed, timeout or rate_limited.';
COMMENT ON COLUMN vibe.service_calls.duration_ms IS 'How long it took, in milliseconds.';
COMMENT ON COLUMN vibe.service_calls.cost_usd IS 'What it cost in US dollars; NULL is unknown.';
COMMENT ON COLUMN vibe.service_calls.error IS 'What went wrong.';
COMMENT ON COLUMN vibe.service_calls.retry_at IS 'rate_limited: when the service is to be called again.';
COMMENT ON COLUMN vibe.service_calls.campaign_id IS 'The campaign it was for.';
COMMENT ON COLUMN vibe.service_calls.task_id IS 'The task it was for.';
COMMENT ON COLUMN vibe.service_calls.run_id IS 'The run that called.';
COMMENT ON COLUMN vibe.service_calls.agent_name IS 'The agent that called.';

-- The circuit reads the last few calls of one service from the end of this index.
CREATE INDEX service_calls_service_idx ON vibe.service_calls (service_name, id);
CREATE INDEX service_calls_campaign_idx ON vibe.service_calls (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX service_calls_at_idx ON vibe.service_calls (at);
CREATE INDEX services_capability_idx ON vibe.services (capability, priority, name);

INSERT INTO vibe.service_categories (name, description, is_preset) VALUES
    ('seo_keywords', 'keywords with their search volume and difficulty', true),
    ('serp_tracking', 'search results and positions in them', true),
    ('web_scraping', 'content of web pages', true),
    ('image_generation', 'images from a description', true),
    ('video_generation', 'videos from a description', true),
    ('social_scraping', 'posts and profiles of social networks', true),
    ('email', 'sending e-mail', true),
    ('cms', 'publishing to a content management system', true),
    ('plagiarism', 'finding text that was copied', true),
    ('notifications', 'messages to people', true);

SELECT pg_catalog.pg_extension_config_dump('vibe.service_categories', 'WHERE NOT is_preset');
SELECT pg_catalog.pg_extension_config_dump('vibe.services', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_services', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.service_overrides', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.service_calls', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.service_calls_id_seq', '');
-- What is to be done, and every attempt to do it.

-- The only queue. A row exists while a branch of a task has something to do, so the table stays as small as
-- what is open. Pauses and limits are read at claim and never written here. launching, running and stopping
-- are seen in the run that holds the row, not stored a second time.
--
--   ready ---claim--> held ---done---> ready (next step) | waiting | row deleted
--     ^                 |
--     |                 +--failed----> waiting (back_off, person)
--     +--due, approved, branches done, retried-- waiting
CREATE TABLE vibe.work (
    task_id bigint NOT NULL REFERENCES vibe.tasks ON DELETE CASCADE,
    branch text NOT NULL DEFAULT '',
    campaign_id bigint NOT NULL,
    step integer NOT NULL,
    agent_name text,
    state text NOT NULL,
    waiting_for text,
    run_id bigint,
    priority smallint NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    retries smallint NOT NULL DEFAULT 0,
    ready_at timestamptz,
    since timestamptz NOT NULL,
    note text,
    PRIMARY KEY (task_id, branch),
    CONSTRAINT state_is_known CHECK (state IN ('ready', 'held', 'waiting')),
    CONSTRAINT held_names_its_run CHECK ((state = 'held') = (run_id IS NOT NULL)),
    CONSTRAINT waiting_says_for_what CHECK ((state = 'waiting') = (waiting_for IS NOT NULL)),
    CONSTRAINT waiting_for_is_known CHECK (waiting_for IN ('back_off', 'approval', 'branches', 'person')),
    CONSTRAINT back_off_says_until_when CHECK ((waiting_for IS NOT DISTINCT FROM 'back_off') = (ready_at IS NOT NULL)),
    CONSTRAINT what_can_run_has_an_agent CHECK (agent_name IS NOT NULL OR waiting_for IN ('approval', 'branches')),
    CONSTRAINT counts_are_not_negative CHECK (attempts >= 0 AND retries >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE vibe.work IS 'What is to be done or being done now, one row per open (task, branch); the only queue.';
COMMENT ON COLUMN vibe.work.task_id IS 'The task.';
COMMENT ON COLUMN vibe.work.branch IS 'Empty for the main line.';
COMMENT ON COLUMN vibe.work.campaign_id IS 'The task''s campaign, 0 for none; what the claim is fair between.';
COMMENT ON COLUMN vibe.work.step IS 'The step to do.';
COMMENT ON COLUMN vibe.work.agent_name IS 'Who does it; NULL where only a gate holds.';
COMMENT ON COLUMN vibe.work.state IS 'ready, held (by run_id) or waiting (for waiting_for).';
COMMENT ON COLUMN vibe.work.waiting_for IS 'back_off, approval, branches or person.';
COMMENT ON COLUMN vibe.work.run_id IS 'The run that holds it.';
COMMENT ON COLUMN vibe.work.priority IS 'The task''s priority as a rank: 0 urgent, 1 high, 2 medium, 3 low; -1 for a step that dispatch_agent() put first.';
COMMENT ON COLUMN vibe.work.attempts IS 'Attempts used up at this step.';
COMMENT ON COLUMN vibe.work.retries IS 'Runs in a row that ended without success, used up or not; sets the back-off.';
COMMENT ON COLUMN vibe.work.ready_at IS 'End of the back-off.';
COMMENT ON COLUMN vibe.work.since IS 'When it came into this state.';
COMMENT ON COLUMN vibe.work.note IS 'What a person told the next run.';

-- One attempt. A dispatched run is written four times at most: claimed, started, closed, ended; closing and
-- ending are one write where the process ended first. closed_at: it may write no more. ended_at: nothing of it
-- lives any more, so that its workspace is free.
CREATE TABLE vibe.runs (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind text NOT NULL DEFAULT 'task',
    task_id bigint REFERENCES vibe.tasks ON DELETE CASCADE,
    branch text NOT NULL DEFAULT '',
    campaign_id bigint NOT NULL,
    step integer NOT NULL,
    attempt smallint NOT NULL,
    revision integer NOT NULL,
    agent_name text NOT NULL,
    model text,
    runner text,
    provider text,
    started_by text NOT NULL,
    token_hash bytea NOT NULL,
    claimed_at timestamptz NOT NULL,
    started_at timestamptz,
    renewed_at timestamptz,
    closed_at timestamptz,
    ended_at timestamptz,
    outcome text REFERENCES vibe.outcomes,
    error text,
    answer jsonb,
    summary text,
    output jsonb,
    output_path text,
    quality_score numeric,
    notes text,
    superseded boolean NOT NULL DEFAULT false,
    session_id text,
    resumed_session text,
    exit_code integer,
    exit_signal integer,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    reserved_usd numeric,
    cost_usd numeric,
    cost_source text,
    output_tail text,
    error_tail text,
    leftover_processes integer,
    pid integer,
    pid_start bigint,
    boot_id text,
    pid_ns text,
    claim_event bigint NOT NULL DEFAULT nextval('vibe.activities_id_seq'),
    close_event bigint,
    CONSTRAINT kind_is_known CHECK (kind IN ('task', 'heartbeat', 'notify')),
    CONSTRAINT only_a_task_has_steps CHECK ((kind = 'task') = (task_id IS NOT NULL)),
    CONSTRAINT a_chore_is_dispatched_and_counts_for_no_campaign CHECK (
        kind = 'task' OR (branch = '' AND campaign_id = 0 AND step = 0 AND started_by = 'dispatcher')),
    CONSTRAINT started_by_is_known CHECK (started_by IN ('dispatcher', 'hand')),
    CONSTRAINT token_hash_is_a_sha256 CHECK (length(token_hash) = 32),
    CONSTRAINT closed_says_how CHECK ((closed_at IS NOT NULL) = (outcome IS NOT NULL)),
    CONSTRAINT ended_is_closed CHECK (ended_at IS NULL OR closed_at IS NOT NULL),
    CONSTRAINT hand_held_ends_when_closed CHECK (started_by <> 'hand' OR (closed_at IS NULL) = (ended_at IS NULL)),
    CONSTRAINT only_hand_held_has_a_lease CHECK ((started_by = 'hand') = (renewed_at IS NOT NULL)),
    CONSTRAINT identity_is_whole CHECK (num_nonnulls(pid, pid_start, boot_id, pid_ns) IN (0, 4)),
    CONSTRAINT quality_score_is_a_percentage CHECK (quality_score BETWEEN 0 AND 100),
    CONSTRAINT cost_source_is_known CHECK (cost_source IN ('reported', 'computed')),
    CONSTRAINT reserve_is_a_positive_amount CHECK (reserved_usd > 0 AND reserved_usd < 1e12),
    CONSTRAINT usage_is_not_negative CHECK (
        coalesce(input_tokens, 0) >= 0 AND coalesce(output_tokens, 0) >= 0 AND coalesce(cache_read_tokens, 0) >= 0
        AND coalesce(cache_write_tokens, 0) >= 0 AND coalesce(cost_usd, 0) >= 0 AND coalesce(cost_usd, 0) < 'Infinity'::numeric)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE vibe.runs IS 'Attempts: who did which step of which task, or which chore, when, how it ended, what it cost and what it made.';
COMMENT ON COLUMN vibe.runs.id IS 'Key.';
COMMENT ON COLUMN vibe.runs.kind IS 'task: one step of a task. heartbeat, notify: a chore, see vibe.chores.';
COMMENT ON COLUMN vibe.runs.task_id IS 'The task; NULL for a chore.';
COMMENT ON COLUMN vibe.runs.branch IS 'Empty for the main line.';
COMMENT ON COLUMN vibe.runs.campaign_id IS 'The task''s campaign, 0 for none.';
COMMENT ON COLUMN vibe.runs.step IS 'The step; 0 for a chore.';
COMMENT ON COLUMN vibe.runs.attempt IS 'Counts from 1 within the step and the revision, for a chore within its failures in a row.';
COMMENT ON COLUMN vibe.runs.revision IS 'The task''s revision_count when the run was claimed.';
COMMENT ON COLUMN vibe.runs.agent_name IS 'The agent; for a notifier "notify:" and its channel, which no agent can be called.';
COMMENT ON COLUMN vibe.runs.model IS 'The model it was given; given none, the one that it reported.';
COMMENT ON COLUMN vibe.runs.runner IS 'The runner that started it; NULL when held by hand.';
COMMENT ON COLUMN vibe.runs.provider IS 'The provider that its runner names; NULL when held by hand.';
COMMENT ON COLUMN vibe.runs.started_by IS 'dispatcher: a process of ours. hand: acquire_lock() of somebody elsewhere.';
COMMENT ON COLUMN vibe.runs.token_hash IS 'SHA-256 of its fencing token; the token itself is shown once.';
COMMENT ON COLUMN vibe.runs.claimed_at IS 'When it took its step.';
COMMENT ON COLUMN vibe.runs.started_at IS 'When its supervisor process was started.';
COMMENT ON COLUMN vibe.runs.renewed_at IS 'Hand-held: when its lease was last renewed.';
COMMENT ON COLUMN vibe.runs.closed_at IS 'Since when it may write no more.';
COMMENT ON COLUMN vibe.runs.ended_at IS 'Since when no process of it lives.';
COMMENT ON COLUMN vibe.runs.outcome IS 'How it ended: a row of vibe.outcomes.';
COMMENT ON COLUMN vibe.runs.error IS 'What went wrong.';
COMMENT ON COLUMN vibe.runs.answer IS 'What complete_step() answered, for a caller that repeats it.';
COMMENT ON COLUMN vibe.runs.summary IS 'Its own summary of what it made.';
COMMENT ON COLUMN vibe.runs.output IS 'Its structured output.';
COMMENT ON COLUMN vibe.runs.output_path IS 'Its main file, relative to the workspace.';
COMMENT ON COLUMN vibe.runs.quality_score IS 'The score it gave, 0 to 100.';
COMMENT ON COLUMN vibe.runs.notes IS 'Notes for the next round: those it asked for (outcome revise), or with which its branch was sent back.';
COMMENT ON COLUMN vibe.runs.superseded IS 'A later revision replaced what it made.';
COMMENT ON COLUMN vibe.runs.session_id IS 'The agent''s session, chosen before the start unless the agent reported its own.';
COMMENT ON COLUMN vibe.runs.resumed_session IS 'The session of a lost run that it was asked to go on with.';
COMMENT ON COLUMN vibe.runs.exit_code IS 'Exit status of the agent''s process; NULL when a signal ended it.';
COMMENT ON COLUMN vibe.runs.exit_signal IS 'Signal that ended the agent''s process.';
COMMENT ON COLUMN vibe.runs.input_tokens IS 'Tokens read, without cached ones.';
COMMENT ON COLUMN vibe.runs.output_tokens IS 'Tokens written.';
COMMENT ON COLUMN vibe.runs.cache_read_tokens IS 'Tokens read from a cache.';
COMMENT ON COLUMN vibe.runs.cache_write_tokens IS 'Tokens written to a cache.';
COMMENT ON COLUMN vibe.runs.reserved_usd IS 'What it may cost: counted against every ceiling from its claim on, and after its end where its cost is unknown; NULL is no limit.';
COMMENT ON COLUMN vibe.runs.cost_usd IS 'Cost in US dollars; NULL is unknown.';
COMMENT ON COLUMN vibe.runs.cost_source IS 'reported: by the agent. computed: from its tokens and vibe.prices. NULL where the cost is unknown.';
COMMENT ON COLUMN vibe.runs.output_tail IS 'The end of its standard output, 64 KiB at most.';
COMMENT ON COLUMN vibe.runs.error_tail IS 'The end of its standard error, 64 KiB at most.';
COMMENT ON COLUMN vibe.runs.leftover_processes IS 'Processes it left behind, which were ended.';
COMMENT ON COLUMN vibe.runs.pid IS 'Supervisor process.';
COMMENT ON COLUMN vibe.runs.pid_start IS 'Its start time in clock ticks since boot: a pid alone is reused.';
COMMENT ON COLUMN vibe.runs.boot_id IS 'The boot it belongs to.';
COMMENT ON COLUMN vibe.runs.pid_ns IS 'The pid namespace it belongs to.';
COMMENT ON COLUMN vibe.runs.claim_event IS 'Place of its beginning in the feed, from the sequence of vibe.activities.';
COMMENT ON COLUMN vibe.runs.close_event IS 'Place of its end in the feed, given when it is closed.';

-- Whoever closes a run: its end has a place in the feed.
CREATE FUNCTION vibe._number_close_event()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.close_event := nextval('vibe.activities_id_seq');
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION vibe._number_close_event() IS 'Gives the end of a run its place in the feed.';

-- UPDATE only: a restore inserts runs that are closed and have theirs.
CREATE TRIGGER close_has_a_place_in_the_feed
    BEFORE UPDATE OF closed_at ON vibe.runs
    FOR EACH ROW WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL)
    EXECUTE FUNCTION vibe._number_close_event();

SELECT pg_catalog.pg_extension_config_dump('vibe.work', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.runs', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.runs_id_seq', '');
-- Indexes. The partial unique one states a rule; the others are as narrow as the question they answer, so that
-- finished work costs open work nothing.

-- At most one process works in a workspace: a run blocks its (task, branch) until its end is recorded. What the
-- limits count rides along, so that counting reads this small index and nothing else.
CREATE UNIQUE INDEX runs_one_live_run_per_branch_idx ON vibe.runs (task_id, branch)
    INCLUDE (campaign_id, agent_name, provider, reserved_usd, claimed_at) WHERE ended_at IS NULL;
-- At most one of a heartbeat, or of a channel's notifier: they too have a workspace.
CREATE UNIQUE INDEX runs_one_live_run_per_chore_idx ON vibe.runs (agent_name, kind) WHERE ended_at IS NULL AND task_id IS NULL;
-- Closed runs whose process still has to go.
CREATE INDEX runs_closed_but_alive_idx ON vibe.runs (id) WHERE ended_at IS NULL AND closed_at IS NOT NULL;
-- Leases that can run out.
CREATE INDEX runs_leases_idx ON vibe.runs (renewed_at) WHERE started_by = 'hand' AND closed_at IS NULL;
CREATE INDEX runs_task_idx ON vibe.runs (task_id, branch, step);
-- What an agent did, the last run first.
CREATE INDEX runs_agent_idx ON vibe.runs (agent_name, id);

-- A pipeline that was put away leaves its slug to another.
CREATE UNIQUE INDEX pipelines_slug_idx ON vibe.pipelines (slug) WHERE archived_at IS NULL;
-- Which steps name an agent: asked before it is deleted, also by the foreign key.
CREATE INDEX pipeline_steps_agent_idx ON vibe.pipeline_steps (agent_name);

-- The claim goes from agent to agent, from priority to priority and from campaign to campaign, one probe each.
CREATE INDEX work_ready_idx ON vibe.work (agent_name, priority, campaign_id, since, task_id) WHERE state = 'ready';
-- Over campaigns that are paused it leaps to the next one here.
CREATE INDEX campaigns_at_work_idx ON vibe.campaigns (id) WHERE status IN ('active', 'in_revision');
CREATE INDEX work_back_off_idx ON vibe.work (ready_at) WHERE waiting_for = 'back_off';
-- The work of a campaign that is being paused or cancelled.
CREATE INDEX work_held_idx ON vibe.work (campaign_id) WHERE state = 'held';

CREATE INDEX tasks_open_idx ON vibe.tasks (campaign_id, id) WHERE ended_at IS NULL;
CREATE INDEX tasks_campaign_idx ON vibe.tasks (campaign_id, id);
-- Slugs are file names: no two tasks whose files share a directory may have the same.
CREATE UNIQUE INDEX tasks_slug_in_campaign_idx ON vibe.tasks (campaign_id, slug) WHERE campaign_id IS NOT NULL;
CREATE UNIQUE INDEX tasks_slug_in_project_idx ON vibe.tasks (project_id, slug) WHERE campaign_id IS NULL;
-- A key of a caller creates one task, however often and from wherever it is sent.
CREATE UNIQUE INDEX tasks_idempotency_idx ON vibe.tasks (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- The few tasks that belong to no campaign.
CREATE INDEX tasks_without_campaign_idx ON vibe.tasks (project_id, id) WHERE campaign_id IS NULL;
-- Pages of lists, and counts by status, are ranges of these.
CREATE INDEX tasks_project_idx ON vibe.tasks (project_id, id);
CREATE INDEX tasks_project_status_idx ON vibe.tasks (project_id, status, id);
CREATE INDEX tasks_campaign_status_idx ON vibe.tasks (campaign_id, status, id);
CREATE INDEX campaigns_project_idx ON vibe.campaigns (project_id, id);
CREATE INDEX campaigns_project_status_idx ON vibe.campaigns (project_id, status, id);
CREATE INDEX campaigns_status_idx ON vibe.campaigns (status, id);
CREATE INDEX campaigns_open_idx ON vibe.campaigns (id) WHERE ended_at IS NULL;

-- The feed: activities, beginnings of runs and ends of runs are numbered by one sequence, and every scope that a
-- page can have is a range in each of the three.
CREATE INDEX activities_project_idx ON vibe.activities (project_id, id);
CREATE INDEX activities_campaign_idx ON vibe.activities (campaign_id, id);
CREATE INDEX activities_task_idx ON vibe.activities (task_id, id) WHERE task_id IS NOT NULL;
CREATE INDEX runs_campaign_claim_idx ON vibe.runs (campaign_id, claim_event);
CREATE INDEX runs_campaign_close_idx ON vibe.runs (campaign_id, close_event) WHERE close_event IS NOT NULL;
CREATE INDEX runs_agent_claim_idx ON vibe.runs (agent_name, claim_event);
CREATE INDEX runs_agent_close_idx ON vibe.runs (agent_name, close_event) WHERE close_event IS NOT NULL;
CREATE INDEX usage_totals_day_idx ON vibe.usage_totals (day);
-- Tables of the safety net, and the indexes that it needs of its own.

-- Not user data: a restored database starts with a fresh row.
CREATE TABLE vibe.sweep_state (
    singleton boolean PRIMARY KEY DEFAULT true,
    swept_at timestamptz,
    dispatcher_gone_since timestamptz,
    looked_up_to bigint NOT NULL DEFAULT 0,
    CONSTRAINT one_row CHECK (singleton)
);
COMMENT ON TABLE vibe.sweep_state IS 'What one sweep leaves for the next; its row lock keeps two sweeps apart.';
COMMENT ON COLUMN vibe.sweep_state.singleton IS 'Always true.';
COMMENT ON COLUMN vibe.sweep_state.swept_at IS 'When the last sweep ran.';
COMMENT ON COLUMN vibe.sweep_state.dispatcher_gone_since IS 'When a sweep first found no dispatcher; NULL while there is one.';
COMMENT ON COLUMN vibe.sweep_state.looked_up_to IS 'The last open task that was looked at for lost work; the next sweep goes on behind it. 0: it begins anew.';
INSERT INTO vibe.sweep_state DEFAULT VALUES;

-- Not user data: what one server went through says nothing about another.
CREATE TABLE vibe.health_history (
    at timestamptz PRIMARY KEY,
    ok integer NOT NULL,
    warn integer NOT NULL,
    fail integer NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT counts_are_not_negative CHECK (ok >= 0 AND warn >= 0 AND fail >= 0)
);
COMMENT ON TABLE vibe.health_history IS 'What vibe.health() said at each sweep, once a minute at most, kept for 30 days.';
COMMENT ON COLUMN vibe.health_history.at IS 'When.';
COMMENT ON COLUMN vibe.health_history.ok IS 'How many checks were ok.';
COMMENT ON COLUMN vibe.health_history.warn IS 'How many warned.';
COMMENT ON COLUMN vibe.health_history.fail IS 'How many failed.';
COMMENT ON COLUMN vibe.health_history.detail IS 'The checks that were not ok: {"check_name": {"status": ..., "value": ...}}.';

CREATE TABLE vibe.topic_requests (
    campaign_id bigint PRIMARY KEY REFERENCES vibe.campaigns ON DELETE CASCADE,
    told_at timestamptz NOT NULL,
    asked_at timestamptz
);
COMMENT ON TABLE vibe.topic_requests IS 'Campaigns whose backlog was low: what keeps the sweep from asking for topics more than once an interval.';
COMMENT ON COLUMN vibe.topic_requests.campaign_id IS 'The campaign.';
COMMENT ON COLUMN vibe.topic_requests.told_at IS 'When people were told last.';
COMMENT ON COLUMN vibe.topic_requests.asked_at IS 'When its backlog agent was asked last; NULL while that agent has no room.';

-- Open tasks in the order in which the sweep looks at them, however many have ended.
CREATE INDEX tasks_open_by_id_idx ON vibe.tasks (id) WHERE ended_at IS NULL;
-- What waits for a person, the longest wait first.
CREATE INDEX work_for_a_person_idx ON vibe.work (since) WHERE waiting_for IN ('person', 'approval');

SELECT pg_catalog.pg_extension_config_dump('vibe.topic_requests', '');
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
-- What only C can do: a clock that tests can set, the commit callback that wakes the dispatcher, the identity of
-- this server, the state of the dispatcher and the runner file.

CREATE FUNCTION vibe.clock()
    RETURNS timestamptz
    LANGUAGE c
    VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'vibe_clock';
COMMENT ON FUNCTION vibe.clock() IS 'The time that every verb works with: now, or vibe_orchestrator.fake_now where a test set it.';

CREATE FUNCTION vibe._wake(completed boolean)
    RETURNS boolean
    LANGUAGE c
    VOLATILE
    AS 'MODULE_PATHNAME', 'vibe_wake';
COMMENT ON FUNCTION vibe._wake(boolean) IS 'Wakes this database''s dispatcher once the transaction has committed; with completed also NOTIFY vibe_dispatch where vibe_orchestrator.notify is commit. True if a dispatcher runs.';

CREATE FUNCTION vibe._home_identity()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_home_identity';
COMMENT ON FUNCTION vibe._home_identity() IS 'System identifier, database oid and machine id: what a copy of this database does not share.';

CREATE FUNCTION vibe._library_version()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_library_version';
COMMENT ON FUNCTION vibe._library_version() IS 'Version of the loaded library.';

CREATE FUNCTION vibe._dispatcher_pid()
    RETURNS integer
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_dispatcher_pid';
COMMENT ON FUNCTION vibe._dispatcher_pid() IS 'Process id of this database''s dispatcher; NULL when there is none or the library is not preloaded.';

CREATE FUNCTION vibe.dispatcher_status()
    RETURNS TABLE (database text, pid integer, state text, problem text, running integer, wakeups bigint, started_at timestamptz)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_dispatcher_status';
COMMENT ON FUNCTION vibe.dispatcher_status() IS 'The dispatchers of this server: state starting, no_extension, foreign, blocked (problem says why) or running; how many runs each watches. Raises VB050 unless the library is preloaded.';

CREATE FUNCTION vibe.runners()
    RETURNS TABLE (name text, kind text, program text, executable boolean, prefix text, max_parallel integer,
                   provider text, fallback text, problem text, found boolean, os_user text)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_runners';
COMMENT ON FUNCTION vibe.runners() IS 'The runners of the runner file as it is now; found and executable tell about its program (NULL: the servers user cannot see), os_user whose processes its agents are (NULL: the prefix does not say); fallback stands in while the provider is paused; problem says all that keeps one from being used or will make its runs fail. Raises VB041 (the file cannot be used, and why), VB050 (library not preloaded).';

CREATE FUNCTION vibe._host_facts()
    RETURNS TABLE (postmaster_pid integer, cgroup text)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_host_facts';
COMMENT ON FUNCTION vibe._host_facts() IS 'The server''s process id, and the control groups it is in as /proc has them.';

CREATE FUNCTION vibe._kill_modes(unit text)
    RETURNS text
    LANGUAGE c
    STABLE STRICT
    AS 'MODULE_PATHNAME', 'vibe_kill_modes';
COMMENT ON FUNCTION vibe._kill_modes(text) IS 'Every KillMode that the files of a systemd unit, of its template, and their drop-in files set, one a line, the one that counts last.';

CREATE FUNCTION vibe._share_directory()
    RETURNS text
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_share_directory';
COMMENT ON FUNCTION vibe._share_directory() IS 'The directory of this installation''s shared files, below which the skills are.';

CREATE FUNCTION vibe._live_shims()
    RETURNS TABLE (run_id bigint, pid integer)
    LANGUAGE c
    STABLE
    AS 'MODULE_PATHNAME', 'vibe_live_shims';
COMMENT ON FUNCTION vibe._live_shims() IS 'The runs of this database whose supervisor process lives on this machine, with its pid.';

CREATE FUNCTION vibe.version()
    RETURNS TABLE (library text, extension text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._library_version(), e.extversion FROM pg_extension e WHERE e.extname = 'vibe_orchestrator';
END;
COMMENT ON FUNCTION vibe.version() IS 'Versions of the loaded library and of the SQL objects; they differ after an upgrade until both the server was restarted and ALTER EXTENSION vibe_orchestrator UPDATE was run.';
-- Small things that every verb needs: the check at its door, who is calling, the rows it works on, one line of
-- history, and the token that fences a run's writes.
--
-- A literal in a plpgsql body that has a backslash is written E'...': without the E what it means is up to the
-- caller's standard_conforming_strings.

CREATE FUNCTION vibe._begin_verb()
    RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Under REPEATABLE READ the last two tasks of a campaign would each see the other one unfinished.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB022',
            MESSAGE = 'state changes need isolation level READ COMMITTED',
            DETAIL = format('This transaction runs at %s.', upper(current_setting('transaction_isolation'))),
            HINT = 'Call it in a transaction of its own: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    RETURN vibe.clock();
END
$$;
COMMENT ON FUNCTION vibe._begin_verb() IS 'The door of every verb: returns the time it works at. Raises VB022 unless the transaction is READ COMMITTED.';

CREATE FUNCTION vibe._actor()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user::text);
END;
COMMENT ON FUNCTION vibe._actor() IS 'Who calls, also behind SET ROLE and inside SECURITY DEFINER code.';

CREATE FUNCTION vibe._may(role_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT pg_has_role(vibe._actor()::name, role_name::name, 'USAGE');
END;
COMMENT ON FUNCTION vibe._may(text) IS 'Whether the caller has the rights of a role, such as vibe_operator; a superuser has all.';

CREATE FUNCTION vibe._require_operator(argument text)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT vibe._may('vibe_operator') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB060',
            MESSAGE = 'only an operator may do this',
            DETAIL = format('Role "%s" left argument "%s" out.', vibe._actor(), argument),
            HINT = format('Give the run''s own "%s", or call as a member of vibe_operator.', argument);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._require_operator(text) IS 'Raises VB060 for a caller who leaves out what only an operator may leave out.';

CREATE FUNCTION vibe._invalid_argument(argument text, given text, rule text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB030',
        MESSAGE = format('invalid value for argument "%s"', argument),
        DETAIL = format('Given was %s.', coalesce(quote_literal(left(given, 200)), 'NULL')),
        HINT = rule;
END
$$;
COMMENT ON FUNCTION vibe._invalid_argument(text, text, text) IS 'Raises VB030 for an argument, with its value in DETAIL and the rule in HINT.';

CREATE FUNCTION vibe._setting(name text)
    RETURNS interval
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT current_setting('vibe_orchestrator.' || name)::interval;
END;
COMMENT ON FUNCTION vibe._setting(text) IS 'A setting of ours that is a duration.';

CREATE FUNCTION vibe._new_token()
    RETURNS text
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    -- Two version 4 UUIDs carry 244 random bits from the strong generator; the digest spreads them over 32 bytes.
    SELECT encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
END;
COMMENT ON FUNCTION vibe._new_token() IS 'A fencing token: 64 hexadecimal digits that nobody can guess.';

CREATE FUNCTION vibe._token_hash(token text)
    RETURNS bytea
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT sha256(convert_to(token, 'UTF8'));
END;
COMMENT ON FUNCTION vibe._token_hash(text) IS 'What is stored of a fencing token.';

CREATE FUNCTION vibe._priority_rank(priority text)
    RETURNS smallint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (pg_catalog.array_position(ARRAY['urgent', 'high', 'medium', 'low'], priority) - 1)::smallint;
END;
COMMENT ON FUNCTION vibe._priority_rank(text) IS 'Order of a priority in the queue: 0 urgent to 3 low.';

CREATE FUNCTION vibe._slug(title text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT pg_catalog.btrim(pg_catalog.left(pg_catalog.btrim(
        pg_catalog.regexp_replace(pg_catalog.lower(title COLLATE "C"), '[^a-z0-9]+', '-', 'g'), '-'), 80), '-');
END;
COMMENT ON FUNCTION vibe._slug(text) IS 'A title as one safe path element; empty where it has no ASCII letter or digit.';

CREATE FUNCTION vibe._wants(deliverables jsonb, deliverable text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN deliverable IS NULL OR deliverables IS NULL THEN true
        WHEN pg_catalog.jsonb_typeof(deliverables) = 'array'
            THEN deliverables OPERATOR(pg_catalog.?) deliverable
        ELSE coalesce(deliverables OPERATOR(pg_catalog.->) deliverable, 'false'::pg_catalog.jsonb)
            OPERATOR(pg_catalog.<>) ALL (ARRAY['false', 'null', '0']::pg_catalog.jsonb[])
    END;
END;
COMMENT ON FUNCTION vibe._wants(jsonb, text) IS 'Whether a deliverable is wanted; no list wants everything.';

CREATE FUNCTION vibe._record(
    kind text, message text, detail jsonb,
    project_id bigint, campaign_id bigint, task_id bigint DEFAULT NULL, also_to text DEFAULT NULL
)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO vibe.activities (at, kind, actor, project_id, campaign_id, task_id, message, detail)
    VALUES (vibe.clock(), kind, vibe._actor(), project_id, nullif(campaign_id, 0), task_id, message,
            coalesce(detail, '{}'))
    RETURNING id INTO new_id;
    PERFORM vibe._notify(kind, message, detail, project_id, campaign_id, task_id, also_to => also_to);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION vibe._record(text, text, jsonb, bigint, bigint, bigint, text) IS 'One line of history, in the transaction of what it tells; also a notification where its kind is one, which goes to the channel also_to as well.';

CREATE FUNCTION vibe._task_not_found(task_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB003',
        MESSAGE = 'task not found',
        DETAIL = format('There is no task with id %s.', coalesce(task_id::text, 'NULL')),
        HINT = 'SELECT * FROM vibe.list_tasks() lists them.';
END
$$;
COMMENT ON FUNCTION vibe._task_not_found(bigint) IS 'Raises VB003.';

CREATE FUNCTION vibe._lock_task(task_id bigint)
    RETURNS vibe.tasks
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = _lock_task.task_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(_lock_task.task_id);
    END IF;
    RETURN task;
END
$$;
COMMENT ON FUNCTION vibe._lock_task(bigint) IS 'The task, locked FOR NO KEY UPDATE: the first lock of every verb about one task. Raises VB003.';

CREATE FUNCTION vibe._agent_not_found(agent_name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB004',
        MESSAGE = 'agent not found',
        DETAIL = format('There is no agent %s.', coalesce(quote_literal(left(agent_name, 200)), 'NULL')),
        HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
END
$$;
COMMENT ON FUNCTION vibe._agent_not_found(text) IS 'Raises VB004.';

CREATE FUNCTION vibe._campaign_not_found(campaign_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB002',
        MESSAGE = 'campaign not found',
        DETAIL = format('There is no campaign with id %s.', coalesce(campaign_id::text, 'NULL')),
        HINT = 'SELECT * FROM vibe.list_campaigns() lists them.';
END
$$;
COMMENT ON FUNCTION vibe._campaign_not_found(bigint) IS 'Raises VB002.';

CREATE FUNCTION vibe._lock_campaign(campaign_id bigint)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = _lock_campaign.campaign_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(_lock_campaign.campaign_id);
    END IF;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._lock_campaign(bigint) IS 'The campaign, locked FOR NO KEY UPDATE: the last lock of a verb. Raises VB002.';

CREATE FUNCTION vibe._illegal_campaign_change(campaign vibe.campaigns, verb text, next_call text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB020',
        MESSAGE = format('campaign %s cannot be %s', campaign.id, verb),
        DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
        HINT = next_call;
END
$$;
COMMENT ON FUNCTION vibe._illegal_campaign_change(vibe.campaigns, text, text) IS 'Raises VB020 for a campaign whose status does not allow the verb.';
-- What list functions and update functions share: the size of a page, and fields that come as JSON.

CREATE FUNCTION vibe._check_page(max_rows integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (max_rows BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_rows', max_rows::text, 'Use 1 to 1000; after_id gives the next page.');
    END IF;
    RETURN max_rows;
END
$$;
COMMENT ON FUNCTION vibe._check_page(integer) IS 'Raises VB030 unless a page has 1 to 1000 rows.';

CREATE FUNCTION vibe._check_fields(argument text, given jsonb, allowed text[])
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known text := 'Use a JSON object with any of the fields ' || array_to_string(allowed, ', ') || '.';
    unknown text[];
BEGIN
    IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
        PERFORM vibe._invalid_argument(argument, given::text, known);
    END IF;
    unknown := ARRAY(SELECT k FROM jsonb_object_keys(given) k WHERE k <> ALL (allowed) ORDER BY k);
    IF unknown <> '{}' THEN
        PERFORM vibe._invalid_argument(argument, array_to_string(unknown, ', '), known);
    END IF;
    RETURN given;
END
$$;
COMMENT ON FUNCTION vibe._check_fields(text, jsonb, text[]) IS 'Raises VB030 unless an argument is a JSON object that has only these fields; HINT lists them.';

-- Each of the following is what a field becomes: what it was where the object does not name it.
CREATE FUNCTION vibe._text_field(given jsonb, field text, was text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) NOT IN ('string', 'null') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON string, or null.');
    END IF;
    RETURN given ->> field;
END
$$;
COMMENT ON FUNCTION vibe._text_field(jsonb, text, text) IS 'A field that is a string or null. Raises VB030.';

CREATE FUNCTION vibe._number_field(given jsonb, field text, was numeric)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) NOT IN ('number', 'null') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON number, or null.');
    END IF;
    RETURN (given ->> field)::numeric;
END
$$;
COMMENT ON FUNCTION vibe._number_field(jsonb, text, numeric) IS 'A field that is a number or null. Raises VB030.';

CREATE FUNCTION vibe._integer_field(given jsonb, field text, was integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    number numeric := vibe._number_field(given, field, was);
BEGIN
    IF number NOT BETWEEN -2147483648 AND 2147483647 OR number <> trunc(number) THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a whole number, or null.');
    END IF;
    RETURN number::integer;
END
$$;
COMMENT ON FUNCTION vibe._integer_field(jsonb, text, integer) IS 'A field that is a whole number or null. Raises VB030.';

CREATE FUNCTION vibe._texts_field(given jsonb, field text, was text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN was;
    ELSIF jsonb_typeof(given -> field) = 'null' THEN
        RETURN ARRAY[]::text[];
    ELSIF jsonb_typeof(given -> field) <> 'array' OR jsonb_path_exists(given -> field, '$[*] ? (@.type() != "string")') THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON array of strings.');
    END IF;
    RETURN ARRAY(SELECT jsonb_array_elements_text(given -> field));
END
$$;
COMMENT ON FUNCTION vibe._texts_field(jsonb, text, text[]) IS 'A field that is an array of strings; null empties it. Raises VB030.';

CREATE FUNCTION vibe._ids_field(given jsonb, field text)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN NULL;
    ELSIF jsonb_typeof(given -> field) <> 'array' OR EXISTS (
        SELECT 1 FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(given -> field) = 'array' THEN given -> field ELSE '[]' END) e
         WHERE (e ~ '^[0-9]{1,18}$') IS NOT TRUE) THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use a JSON array of ids.');
    END IF;
    RETURN ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(given -> field) e);
END
$$;
COMMENT ON FUNCTION vibe._ids_field(jsonb, text) IS 'A field that is an array of ids, as numbers or strings; NULL where it is absent. Raises VB030.';

CREATE FUNCTION vibe._id_field(given jsonb, field text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT given ? field THEN
        RETURN NULL;
    ELSIF (given ->> field ~ '^[0-9]{1,18}$') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument(field, given ->> field, 'Use an id.');
    END IF;
    RETURN (given ->> field)::bigint;
END
$$;
COMMENT ON FUNCTION vibe._id_field(jsonb, text) IS 'A field that is an id, as a number or a string; NULL where it is absent. Raises VB030.';

-- Words that only one table knows.
CREATE FUNCTION vibe._check_task_status(argument text, status text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.task_statuses s WHERE s.status = _check_task_status.status) THEN
        PERFORM vibe._invalid_argument(argument, _check_task_status.status, 'Use ' || (
            SELECT string_agg(s.status, ', ' ORDER BY s.status) FROM vibe.task_statuses s) || '.');
    END IF;
    RETURN _check_task_status.status;
END
$$;
COMMENT ON FUNCTION vibe._check_task_status(text, text) IS 'Raises VB030 for a word that is no status of a task.';

CREATE FUNCTION vibe._check_priority(priority text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF vibe._priority_rank(priority) IS NULL THEN
        PERFORM vibe._invalid_argument('priority', priority, 'Use low, medium, high or urgent.');
    END IF;
    RETURN priority;
END
$$;
COMMENT ON FUNCTION vibe._check_priority(text) IS 'Raises VB030 for a word that is no priority.';

CREATE FUNCTION vibe._check_deliverables(deliverables jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(deliverables) NOT IN ('object', 'array') THEN
        PERFORM vibe._invalid_argument('deliverables', deliverables::text,
            'Use {"heroImage": true, …}, ["heroImage", …], or NULL for all that the pipeline offers.');
    END IF;
    RETURN deliverables;
END
$$;
COMMENT ON FUNCTION vibe._check_deliverables(jsonb) IS 'Raises VB030 for what is no list of deliverables.';

CREATE FUNCTION vibe._check_agents(agent_names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(coalesce(quote_literal(left(n, 200)), 'NULL'), ', ') INTO missing
      FROM unnest(agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('There is no agent %s.', missing),
            HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
    END IF;
    RETURN agent_names;
END
$$;
COMMENT ON FUNCTION vibe._check_agents(text[]) IS 'Raises VB004 for names that are no agents.';
-- The one door to the inbox and the outbox, and the causes that call it. What it costs where nobody wants a kind
-- is one lookup by key.

CREATE FUNCTION vibe._outside_limits(
    OUT circuit_failures integer, OUT circuit_open_for interval, OUT service_calls_kept_for interval,
    OUT repeat_after interval
)
    RETURNS record
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT 5, interval '10 minutes', interval '30 days', interval '10 minutes';
END;
COMMENT ON FUNCTION vibe._outside_limits() IS 'The numbers of services and notifications: failures in a row that open a circuit, for how long, how long calls are kept; when a notification with the same dedup_key may come again.';

-- Tables written: notifications, deliveries. Never fails and never waits, whatever the rules say: what is too long
-- is cut, nothing is unique, and the same dedup_key twice from two transactions at once is told twice.
CREATE FUNCTION vibe._notify(
    kind text, message text, detail jsonb DEFAULT NULL, project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    task_id bigint DEFAULT NULL, run_id bigint DEFAULT NULL, recipient text DEFAULT NULL, dedup_key text DEFAULT NULL,
    also_to text DEFAULT NULL
)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz;
    shown boolean;
    sent boolean;
    new_id bigint;
BEGIN
    SELECT coalesce((SELECT r.enabled FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel = 'in_app'), k.in_app),
           EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel <> 'in_app' AND r.enabled)
               OR _notify.also_to IS NOT NULL
      INTO shown, sent
      FROM vibe.notification_kinds k WHERE k.kind = _notify.kind;
    IF (shown OR sent) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    moment := vibe.clock();
    IF _notify.dedup_key IS NOT NULL AND EXISTS (SELECT 1 FROM vibe.notifications n
                WHERE n.dedup_key = left(_notify.dedup_key, 200) AND n.at > moment - (vibe._outside_limits()).repeat_after) THEN
        RETURN NULL;
    END IF;
    INSERT INTO vibe.notifications AS n (at, kind, recipient, project_id, campaign_id, task_id, run_id, message, detail, dedup_key, in_app)
    VALUES (moment, _notify.kind, _notify.recipient, _notify.project_id, nullif(_notify.campaign_id, 0), _notify.task_id, _notify.run_id,
            left(coalesce(_notify.message, ''), 4000), coalesce(_notify.detail, '{}'), left(_notify.dedup_key, 200), shown)
    RETURNING n.id INTO new_id;
    IF sent THEN
        INSERT INTO vibe.deliveries (notification_id, channel, next_attempt_at)
        SELECT new_id, r.channel, moment + r.collect_for FROM vibe.notification_rules r
         WHERE r.kind = _notify.kind AND r.channel <> 'in_app' AND r.enabled
        UNION ALL
        SELECT new_id, _notify.also_to, moment
         WHERE _notify.also_to IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = _notify.kind AND r.channel = _notify.also_to);
        PERFORM vibe._wake(false);
    END IF;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION vibe._notify(text, text, jsonb, bigint, bigint, bigint, bigint, text, text, text) IS 'Tells something: an inbox row where the kind, or a rule, wants it in_app, an outbox row per channel whose rule is enabled, and for also_to unless a rule speaks of it; nothing where nobody wants it, where the kind is unknown, or where dedup_key was told in the last ten minutes. Returns the notification''s id.';

CREATE FUNCTION vibe._tell_crash(task vibe.tasks, run vibe.runs, outcome text, error text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF outcome NOT IN ('killed', 'exec_error', 'lost') THEN
        RETURN NULL;
    END IF;
    -- What is wrong with an agent is wrong with all its runs: once in a while is enough.
    RETURN vibe._notify('agent_crashed', format('Agent "%s" at task "%s": %s, %s', run.agent_name, left(task.title, 200), outcome,
            coalesce(left(error, 1000), 'no message')),
        jsonb_build_object('agent_name', run.agent_name, 'outcome', outcome, 'branch', run.branch, 'step', run.step),
        task.project_id, task.campaign_id, task.id, run.id, dedup_key => format('agent_crashed %s %s', outcome, run.agent_name));
END
$$;
COMMENT ON FUNCTION vibe._tell_crash(vibe.tasks, vibe.runs, text, text) IS 'Tells that an agent crashed, if that is what this outcome means.';

CREATE FUNCTION vibe._tell_approval(task vibe.tasks, branch text, step integer, run_id bigint)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN vibe._notify('approval_needed', format('Step %s%s of task "%s" waits for approval.', step,
            CASE WHEN branch <> '' THEN format(' (%s)', branch) ELSE '' END, left(task.title, 200)),
        jsonb_build_object('branch', branch, 'step', step), task.project_id, task.campaign_id, task.id, run_id);
END
$$;
COMMENT ON FUNCTION vibe._tell_approval(vibe.tasks, text, integer, bigint) IS 'Tells that a human gate was reached; run_id is the run whose result waits, NULL for a gate without an agent.';

CREATE FUNCTION vibe._tell_completion()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._notify('task_completed', format('Task "%s" was completed.', left(NEW.title, 200)),
        jsonb_build_object('quality_score', NEW.quality_score), NEW.project_id, NEW.campaign_id, NEW.id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._tell_completion() IS 'Tells that a task was completed, whichever verb did it.';

-- UPDATE only, like every trigger here: a restore inserts tasks in any status.
CREATE TRIGGER completion_is_told
    AFTER UPDATE OF status ON vibe.tasks
    FOR EACH ROW WHEN (NEW.status = 'completed' AND OLD.status <> 'completed')
    EXECUTE FUNCTION vibe._tell_completion();

-- Tables written: notifications, deliveries (by their key).
CREATE FUNCTION vibe._prune_notifications(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.notifications n
     WHERE older_than > interval '0'
       AND n.id IN (SELECT o.id FROM vibe.notifications o
                     WHERE o.at < _prune_notifications.at - older_than
                     ORDER BY o.at LIMIT 10000 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_notifications(interval, timestamptz) IS 'Deletes notifications that are older, and what was to be sent of them, 10000 at most; zero keeps all.';
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
-- What follows from the tables of 24_services.sql and is stored nowhere: circuits, chains, what an agent lacks.

-- The last calls of a service, newest first, up to its last success: as many in a row as open a circuit, and no
-- index entry more, however long the log is.
CREATE FUNCTION vibe._service_health(service text)
    RETURNS TABLE (health text, open_until timestamptz, failures_in_a_row bigint)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH last AS (
        SELECT c.id, c.at, c.status, c.retry_at FROM vibe.service_calls c
         WHERE c.service_name = service
         ORDER BY c.id DESC LIMIT (SELECT l.circuit_failures FROM vibe._outside_limits() l)
    ), failing AS (
        SELECT l.* FROM last l WHERE l.id > coalesce((SELECT max(g.id) FROM last g WHERE g.status = 'success'), 0)
    ), verdict AS (
        SELECT count(*) AS failures,
               greatest(max(f.retry_at),
                        CASE WHEN count(*) >= (SELECT l.circuit_failures FROM vibe._outside_limits() l)
                             THEN max(f.at) + (SELECT l.circuit_open_for FROM vibe._outside_limits() l) END) AS until
          FROM failing f
    )
    SELECT CASE WHEN v.until > vibe.clock() THEN 'open_circuit' ELSE 'ok' END,
           CASE WHEN v.until > vibe.clock() THEN v.until END, v.failures
      FROM verdict v;
END;
COMMENT ON FUNCTION vibe._service_health(text) IS 'ok, or open_circuit and until when: for 10 minutes after 5 failures in a row, or until a rate limit is over. A success closes it. failures_in_a_row counts to 5.';

CREATE FUNCTION vibe._service_chain(capability text, campaign_id bigint, use_case text)
    RETURNS TABLE (place bigint, service text, priority integer, env_var text, base_url text, config jsonb,
                   cost_per_call_usd numeric, health text, open_until timestamptz, source text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH override AS (
        SELECT o.service_names FROM vibe.service_overrides o
         WHERE o.campaign_id = _service_chain.campaign_id AND o.capability = _service_chain.capability
    ), candidate AS (
        SELECT s.*, h.health, h.open_until, o.service_names IS NOT NULL AS is_override,
               coalesce(array_position(o.service_names, s.name), s.priority) AS rank
          FROM vibe.services s
          LEFT JOIN override o ON true
         CROSS JOIN LATERAL vibe._service_health(s.name) h
         WHERE s.capability = _service_chain.capability AND s.is_active
           AND (o.service_names IS NULL OR s.name = ANY (o.service_names))
           AND (_service_chain.use_case IS NULL OR s.use_cases = '{}' OR _service_chain.use_case = ANY (s.use_cases))
    )
    SELECT row_number() OVER (ORDER BY c.health <> 'ok', c.rank, c.name), c.name, c.priority, c.env_var, c.base_url,
           c.config, c.cost_per_call_usd, c.health, c.open_until,
           CASE WHEN c.is_override THEN 'override' ELSE 'default' END
      FROM candidate c
     ORDER BY 1;
END;
COMMENT ON FUNCTION vibe._service_chain(text, bigint, text) IS 'The active services of a capability in the order in which they are to be tried: open circuits last, else the campaign''s own order, else priority.';

CREATE FUNCTION vibe._agent_capabilities(agent_name text)
    RETURNS TABLE (capability text, required boolean, active bigint, healthy bigint)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT x.capability, x.required, count(s.name), count(s.name) FILTER (WHERE h.health = 'ok')
      FROM vibe.agent_services x
      LEFT JOIN vibe.services s ON s.capability = x.capability AND s.is_active
      LEFT JOIN LATERAL vibe._service_health(s.name) h ON true
     WHERE x.agent_name = _agent_capabilities.agent_name
     GROUP BY x.capability, x.required;
END;
COMMENT ON FUNCTION vibe._agent_capabilities(text) IS 'The capabilities that an agent uses, and how many services of each are active and healthy.';

CREATE FUNCTION vibe._missing_services(agent_name text)
    RETURNS text[]
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(array_agg(x.capability ORDER BY x.capability), '{}')
      FROM vibe.agent_services x
     WHERE x.agent_name = _missing_services.agent_name AND x.required
       AND NOT EXISTS (SELECT 1 FROM vibe.services s WHERE s.capability = x.capability AND s.is_active);
END;
COMMENT ON FUNCTION vibe._missing_services(text) IS 'The capabilities that an agent cannot work without and that no active service has; none is an empty array.';
-- Agents: as they are now, and what the verbs of 43_agent_verbs.sql check and write. What a user changes on an
-- agent that came with the extension goes into vibe.agent_overrides, on one of the user's own into its row;
-- callers need not know which.

CREATE TYPE vibe.agent_info AS (
    name text, level text, description text, default_model text, skill_path text, agent_file_path text,
    runner text, prompt_template text, max_parallel integer, heartbeat_schedule text, paused_at timestamptz,
    is_preset boolean);
COMMENT ON TYPE vibe.agent_info IS 'An agent, as functions return it.';

-- A runner is only a name here; what it executes stands in the runner file. The name is checked against that
-- file where the file can be read, so that a typing error shows at once and not at the first claim.
CREATE FUNCTION vibe._check_runner(runner text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known text[];
BEGIN
    BEGIN
        SELECT coalesce(array_agg(r.name ORDER BY r.name), '{}') INTO known FROM vibe.runners() r;
    EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
        known := NULL;
    END;
    IF runner !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' OR NOT (runner = ANY (known)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB040',
            MESSAGE = 'unknown runner',
            DETAIL = format('Given was %L; the runner file knows: %s.', left(runner, 200),
                            coalesce(array_to_string(known, ', '), 'nothing that can be read now')),
            HINT = 'Add a block of that name to the runner file (vibe_orchestrator.runner_config), or use one of its names.';
    END IF;
    RETURN runner;
END
$$;
COMMENT ON FUNCTION vibe._check_runner(text) IS 'Raises VB040 for a name that is no runner.';

CREATE VIEW vibe.current_agents AS
    SELECT a.name,
           coalesce(o.level, a.level) AS level,
           CASE WHEN 'description' = ANY (o.cleared) THEN NULL ELSE coalesce(o.description, a.description) END AS description,
           CASE WHEN 'default_model' = ANY (o.cleared) THEN NULL ELSE coalesce(o.default_model, a.default_model) END AS default_model,
           CASE WHEN 'skill_path' = ANY (o.cleared) THEN NULL ELSE coalesce(o.skill_path, a.skill_path) END AS skill_path,
           CASE WHEN 'agent_file_path' = ANY (o.cleared) THEN NULL ELSE coalesce(o.agent_file_path, a.agent_file_path) END AS agent_file_path,
           coalesce(o.runner, a.runner) AS runner,
           CASE WHEN 'prompt_template' = ANY (o.cleared) THEN NULL ELSE coalesce(o.prompt_template, a.prompt_template) END AS prompt_template,
           coalesce(o.paused_at, a.paused_at) AS paused_at,
           a.is_preset,
           CASE WHEN 'max_parallel' = ANY (o.cleared) THEN NULL ELSE coalesce(o.max_parallel, a.max_parallel) END AS max_parallel,
           CASE WHEN 'heartbeat_schedule' = ANY (o.cleared) THEN NULL ELSE coalesce(o.heartbeat_schedule, a.heartbeat_schedule) END AS heartbeat_schedule
      FROM vibe.agents a
      LEFT JOIN vibe.agent_overrides o ON o.agent_name = a.name;
COMMENT ON VIEW vibe.current_agents IS 'Agents as they are now: what came with the extension and what users changed on it.';

CREATE FUNCTION vibe._agent_info(name text)
    RETURNS SETOF vibe.agent_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.name, a.level, a.description, a.default_model, a.skill_path, a.agent_file_path, a.runner, a.prompt_template,
           a.max_parallel, a.heartbeat_schedule, a.paused_at, a.is_preset
      FROM vibe.current_agents a WHERE a.name = _agent_info.name;
END;
COMMENT ON FUNCTION vibe._agent_info(text) IS 'An agent as verbs return it.';

CREATE FUNCTION vibe._lock_agent(name text)
    RETURNS vibe.agents
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
BEGIN
    SELECT * INTO agent FROM vibe.agents a WHERE a.name = _lock_agent.name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('Given was %s.', coalesce(quote_literal(left(_lock_agent.name, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.list_agents() lists them; vibe.register_agent(name => …) adds one.';
    END IF;
    RETURN agent;
END
$$;
COMMENT ON FUNCTION vibe._lock_agent(text) IS 'The agent, locked FOR NO KEY UPDATE. Raises VB004.';

CREATE FUNCTION vibe._cron_number(word text, names text[], lowest integer)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN word ~ '^[0-9]{1,2}$' THEN word::integer ELSE array_position(names, lower(word)) - 1 + lowest END;
END;
COMMENT ON FUNCTION vibe._cron_number(text, text[], integer) IS 'One number of a cron field, also written as the name of a month or a day; NULL where it is none.';

CREATE FUNCTION vibe._is_cron_schedule(schedule text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    WITH rule(nth, lowest, highest, names) AS (
        VALUES (1, 0, 59, NULL::text[]), (2, 0, 23, NULL), (3, 1, 31, NULL),
               (4, 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'), (5, 0, 7, '{sun,mon,tue,wed,thu,fri,sat}')
    ), item AS (
        SELECT f.nth, r.lowest, r.highest, m.part, vibe._cron_number(m.part[1], r.names, r.lowest) AS first,
               vibe._cron_number(coalesce(m.part[2], m.part[1]), r.names, r.lowest) AS last
          FROM regexp_split_to_table(schedule, ' ') WITH ORDINALITY f(field, nth)
          LEFT JOIN rule r ON r.nth = f.nth
         CROSS JOIN regexp_split_to_table(f.field, ',') i(item)
          LEFT JOIN LATERAL regexp_match(i.item, '^(?:\*|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,2}))?$') m(part) ON true
    )
    SELECT max(nth) = 5 AND bool_and(coalesce(
               part IS NOT NULL
               AND (part[1] IS NULL OR (first BETWEEN lowest AND highest AND last BETWEEN first AND highest))
               AND (part[3] IS NULL OR (part[3]::integer > 0 AND (part[1] IS NULL OR part[2] IS NOT NULL))), false))
      FROM item;
END;
COMMENT ON FUNCTION vibe._is_cron_schedule(text) IS 'Whether a text is five cron fields with one space between them: lists, ranges, steps, names of months and days.';

-- Keys in camelCase are read as well. What is absent is left as it is; null clears.
CREATE FUNCTION vibe._agent_changes(changes jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    allowed CONSTANT text[] := '{level,description,default_model,skill_path,agent_file_path,runner,prompt_template,max_parallel,heartbeat_schedule}'::text[];
    given jsonb;
    wrong text;
BEGIN
    IF jsonb_typeof(changes) IS DISTINCT FROM 'object' THEN
        PERFORM vibe._invalid_argument('changes', changes::text, 'Use a JSON object, such as {"default_model": "opus"}.');
    END IF;
    SELECT coalesce(jsonb_object_agg(lower(regexp_replace(e.key, '([A-Z])', E'_\\1', 'g')), e.value), '{}') INTO given FROM jsonb_each(changes) e;
    SELECT string_agg(k, ', ' ORDER BY k) INTO wrong FROM jsonb_object_keys(given) k WHERE k <> ALL (allowed);
    IF wrong IS NOT NULL THEN
        PERFORM vibe._invalid_argument('changes', wrong, format('Use the fields %s.', array_to_string(allowed, ', ')));
    END IF;
    SELECT e.key INTO wrong FROM jsonb_each(given) e
     WHERE e.key <> 'max_parallel' AND jsonb_typeof(e.value) NOT IN ('string', 'null') ORDER BY e.key LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM vibe._invalid_argument(wrong, given ->> wrong, 'Use a text, or null to clear it.');
    END IF;
    given := given || CASE WHEN given ? 'heartbeat_schedule' THEN jsonb_build_object('heartbeat_schedule',
        regexp_replace(btrim(given ->> 'heartbeat_schedule', E' \t\n'), E'\\s+', ' ', 'g')) ELSE '{}' END;
    IF given ->> 'default_model' !~ '^[A-Za-z0-9._:@/][A-Za-z0-9._:@/-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('default_model', given ->> 'default_model',
            'Use 1 to 100 of A-Z a-z 0-9 . _ : @ / -, not beginning with "-".');
    ELSIF btrim(given ->> 'level') = '' THEN
        PERFORM vibe._invalid_argument('level', given ->> 'level', 'Use orchestrator, lead, specialist or a word of yours.');
    ELSIF given -> 'max_parallel' <> 'null' AND (vibe._whole_number(given -> 'max_parallel') BETWEEN 1 AND 100000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_parallel', given ->> 'max_parallel', 'Use 1 to 100000, or clear it for no limit of its own.');
    ELSIF NOT vibe._is_cron_schedule(given ->> 'heartbeat_schedule') THEN
        PERFORM vibe._invalid_argument('heartbeat_schedule', given ->> 'heartbeat_schedule',
            'Use five cron fields (minute, hour, day of month, month, day of week), such as */10 * * * *.');
    ELSIF given ->> 'runner' IS NOT NULL THEN
        PERFORM vibe._check_runner(given ->> 'runner');
    END IF;
    RETURN given;
END
$$;
COMMENT ON FUNCTION vibe._agent_changes(jsonb) IS 'Changes of an agent, checked, with snake_case keys. Raises VB030, VB040.';

-- Tables written: agents, or agent_overrides for an agent that came with the extension.
CREATE FUNCTION vibe._change_agent(agent vibe.agents, changes jsonb)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT agent.is_preset THEN
        UPDATE vibe.agents a
           SET (level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule) = (
               SELECT coalesce(n.level, 'specialist'), n.description, n.default_model, n.skill_path, n.agent_file_path,
                      coalesce(n.runner, 'default'), n.prompt_template, n.max_parallel, n.heartbeat_schedule
                 FROM jsonb_populate_record(a, changes) n)
         WHERE a.name = agent.name;
    ELSIF changes <> '{}' THEN
        INSERT INTO vibe.agent_overrides (agent_name) VALUES (agent.name) ON CONFLICT ON CONSTRAINT agent_overrides_pkey DO NOTHING;
        UPDATE vibe.agent_overrides o
           SET (level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule, cleared) = (
               SELECT n.level, n.description, n.default_model, n.skill_path, n.agent_file_path, n.runner, n.prompt_template,
                      n.max_parallel, n.heartbeat_schedule,
                      ARRAY(SELECT c FROM unnest(o.cleared) c WHERE NOT changes ? c
                            UNION SELECT e.key FROM jsonb_each(changes) e
                             WHERE e.value = 'null' AND e.key NOT IN ('level', 'runner') ORDER BY 1)
                 FROM jsonb_populate_record(o, changes) n)
         WHERE o.agent_name = agent.name;
    END IF;
    RETURN vibe._wake(false);
END
$$;
COMMENT ON FUNCTION vibe._change_agent(vibe.agents, jsonb) IS 'Writes checked changes to where this agent keeps them; the dispatcher looks again.';
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
-- Verbs that set agents up. None of them touches work: a pause is one row, which the claim reads.

CREATE FUNCTION vibe.register_agent(
    name text, runner text DEFAULT NULL, default_model text DEFAULT NULL, description text DEFAULT NULL,
    level text DEFAULT NULL, skill_path text DEFAULT NULL, agent_file_path text DEFAULT NULL,
    prompt_template text DEFAULT NULL, max_parallel integer DEFAULT NULL, heartbeat_schedule text DEFAULT NULL
)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    changes jsonb;
BEGIN
    IF register_agent.name IS NULL OR register_agent.name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('name', register_agent.name, 'Use 1 to 100 letters, digits, ".", "_" and "-".');
    END IF;
    changes := vibe._agent_changes(jsonb_strip_nulls(jsonb_build_object(
        'level', register_agent.level, 'description', register_agent.description,
        'default_model', register_agent.default_model, 'skill_path', register_agent.skill_path,
        'agent_file_path', register_agent.agent_file_path, 'runner', register_agent.runner,
        'prompt_template', register_agent.prompt_template, 'max_parallel', register_agent.max_parallel,
        'heartbeat_schedule', register_agent.heartbeat_schedule)));
    INSERT INTO vibe.agents (name, created_at) VALUES (register_agent.name, at) ON CONFLICT ON CONSTRAINT agents_pkey DO NOTHING;
    PERFORM vibe._change_agent(vibe._lock_agent(register_agent.name), changes);
    RETURN QUERY SELECT * FROM vibe._agent_info(register_agent.name);
END
$$;
COMMENT ON FUNCTION vibe.register_agent(text, text, text, text, text, text, text, text, integer, text) IS 'Inserts an agent, or changes the given fields of one; NULL leaves a field as it is (update_agent() clears one). runner names a block of the runner file, "default" where nothing is given. max_parallel: most runs at a time, 1 to 100000. heartbeat_schedule: five cron fields. Locks the agent row. Raises VB022, VB030 (invalid argument), VB040 (unknown runner).';

CREATE FUNCTION vibe.update_agent(name text, changes jsonb)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._change_agent(vibe._lock_agent(update_agent.name), vibe._agent_changes(update_agent.changes));
    RETURN QUERY SELECT * FROM vibe._agent_info(update_agent.name);
END
$$;
COMMENT ON FUNCTION vibe.update_agent(text, jsonb) IS 'Changes the fields that are named in changes, such as {"default_model": "opus", "heartbeat_schedule": null}: level, description, default_model, skill_path, agent_file_path, runner, prompt_template, max_parallel, heartbeat_schedule. null clears a field, also one that came with the extension; level and runner go back to what they were at first. Locks the agent row. Raises VB004, VB022, VB030 (unknown field, invalid value), VB040 (unknown runner).';

CREATE FUNCTION vibe.reset_agent(name text)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(reset_agent.name);
    IF NOT agent.is_preset THEN
        PERFORM vibe._invalid_argument('name', agent.name, 'Only an agent that came with the extension has values to go back to; vibe.update_agent(name, changes) changes this one.');
    END IF;
    DELETE FROM vibe.agent_overrides o WHERE o.agent_name = agent.name;
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT * FROM vibe._agent_info(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.reset_agent(text) IS 'Takes back all that was changed on an agent that came with the extension, a pause too; its skills stay. Locks the agent row. Raises VB004, VB022, VB030 (an agent of your own).';

CREATE FUNCTION vibe.set_agent_paused(name text, paused boolean)
    RETURNS SETOF vibe.agent_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    agent vibe.agents;
    since timestamptz;
BEGIN
    IF set_agent_paused.paused IS NULL THEN
        PERFORM vibe._invalid_argument('paused', NULL, 'Use true or false.');
    END IF;
    agent := vibe._lock_agent(set_agent_paused.name);
    SELECT c.paused_at INTO since FROM vibe.current_agents c WHERE c.name = agent.name;
    IF (since IS NOT NULL) <> set_agent_paused.paused THEN
        since := CASE WHEN set_agent_paused.paused THEN at END;
        IF agent.is_preset THEN
            INSERT INTO vibe.agent_overrides (agent_name, paused_at) VALUES (agent.name, since)
            ON CONFLICT ON CONSTRAINT agent_overrides_pkey DO UPDATE SET paused_at = EXCLUDED.paused_at;
        ELSE
            UPDATE vibe.agents a SET paused_at = since WHERE a.name = agent.name;
        END IF;
        PERFORM vibe._record(CASE WHEN set_agent_paused.paused THEN 'agent_paused' ELSE 'agent_resumed' END,
            format('Agent "%s" was %s', agent.name, CASE WHEN set_agent_paused.paused THEN 'paused' ELSE 'resumed' END),
            jsonb_build_object('agent', agent.name), NULL, NULL);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT * FROM vibe._agent_info(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.set_agent_paused(text, boolean) IS 'true: no claim that begins after the commit takes work for the agent; what runs goes on. false: its work can be claimed again. Repeated it changes nothing. Locks the agent row. Raises VB004, VB022, VB030.';

CREATE FUNCTION vibe.agent_heartbeat(name text)
    RETURNS TABLE (agent_name text, seen_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    -- Whatever the number of calls, one write in ten seconds.
    RETURN QUERY SELECT h.agent_name, h.seen_at FROM vibe.agent_heartbeats h
                  WHERE h.agent_name = agent_heartbeat.name AND h.seen_at > at - interval '10 seconds' AND h.seen_at <= at;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = agent_heartbeat.name) THEN
            PERFORM vibe._lock_agent(agent_heartbeat.name);
        END IF;
        RETURN QUERY
            INSERT INTO vibe.agent_heartbeats AS h (agent_name, seen_at) VALUES (agent_heartbeat.name, at)
            ON CONFLICT ON CONSTRAINT agent_heartbeats_pkey DO UPDATE SET seen_at = EXCLUDED.seen_at
            RETURNING h.agent_name, h.seen_at;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.agent_heartbeat(text) IS 'An agent that is started elsewhere says that it lives: for 5 minutes list_agents() does not call it offline for want of a runner. Noted at most once in 10 seconds; seen_at is what is noted. Locks the agent''s heartbeat row. Raises VB004, VB022.';

-- Locks: the agent row FOR UPDATE, so that no new step can name it meanwhile.
CREATE FUNCTION vibe.delete_agent(name text)
    RETURNS TABLE (agent_name text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
    users text;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(delete_agent.name);
    PERFORM 1 FROM vibe.agents a WHERE a.name = agent.name FOR UPDATE;
    SELECT 'pipelines ' || string_agg(DISTINCT p.slug, ', ') INTO users
      FROM vibe.pipeline_steps s
      JOIN vibe.pipeline_versions v ON v.id = s.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
     WHERE s.agent_name = agent.name;
    IF users IS NULL AND EXISTS (SELECT 1 FROM vibe.runs r WHERE r.agent_name = agent.name) THEN
        users := 'runs of the past';
    END IF;
    IF agent.is_preset OR users IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = 'the agent cannot be deleted',
            DETAIL = format('Agent "%s" %s.', agent.name, CASE WHEN agent.is_preset THEN 'came with the extension' ELSE 'is named by ' || users END),
            HINT = format('SELECT * FROM vibe.set_agent_paused(name => %L, paused => true) keeps it from being started.', agent.name);
    END IF;
    RETURN QUERY DELETE FROM vibe.agents a WHERE a.name = agent.name RETURNING a.name;
END
$$;
COMMENT ON FUNCTION vibe.delete_agent(text) IS 'Deletes an agent that no version of a pipeline names and that never ran; also its list of skills. Locks the agent row. Raises VB004, VB022, VB033 (in use, or came with the extension).';
-- Campaigns as a dashboard lists them. Pages are keyset pages: the last id of one page is after_id of the next.

CREATE TYPE vibe.campaign_info AS (
    id bigint, project_id bigint, project_slug text, slug text, name text, description text, status text,
    pipeline_id bigint, pipeline_slug text, pipeline_version integer, target_article_count integer,
    task_count bigint, completed_task_count bigint, cancelled_task_count bigint, blocked_task_count bigint,
    seed_keywords text[], competitor_urls text[], focus_group_ids text[], deliverables jsonb, budget_usd numeric,
    task_budget_usd numeric, run_budget_usd numeric,
    max_revisions integer, max_parallel integer, backlog_threshold integer, backlog_agent text, notes text,
    created_at timestamptz, updated_at timestamptz, activated_at timestamptz, reopened_at timestamptz, ended_at timestamptz);
COMMENT ON TYPE vibe.campaign_info IS 'A campaign with its settings and the number of its tasks, as functions return it.';

CREATE FUNCTION vibe._campaign_infos(ids bigint[])
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.project_id, j.slug, c.slug, c.name, c.description, c.status,
           p.id, p.slug, v.number, c.target_article_count,
           n.total, n.completed, n.cancelled, n.blocked,
           c.seed_keywords, c.competitor_urls, c.focus_group_ids, c.deliverables, c.budget_usd,
           c.task_budget_usd, c.run_budget_usd,
           c.max_revisions, c.max_parallel, c.backlog_threshold, c.backlog_agent, c.notes,
           c.created_at, c.updated_at, c.activated_at, c.reopened_at, c.ended_at
      FROM vibe.campaigns c
      JOIN vibe.projects j ON j.id = c.project_id
      JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
     CROSS JOIN LATERAL (
        SELECT count(*) AS total, count(*) FILTER (WHERE t.status = 'completed') AS completed,
               count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE t.status = 'blocked') AS blocked
          FROM vibe.tasks t WHERE t.campaign_id = c.id) n
     WHERE c.id = ANY (ids)
     ORDER BY c.id DESC;
END;
COMMENT ON FUNCTION vibe._campaign_infos(bigint[]) IS 'These campaigns, newest first.';

CREATE FUNCTION vibe.get_campaign(id bigint)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY[get_campaign.id]);
END;
COMMENT ON FUNCTION vibe.get_campaign(bigint) IS 'One campaign, or no row.';

CREATE FUNCTION vibe.get_campaign_by_slug(slug text)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.slug = get_campaign_by_slug.slug));
END;
COMMENT ON FUNCTION vibe.get_campaign_by_slug(text) IS 'One campaign, or no row.';

-- One query for each index that a page can be a range of.
CREATE FUNCTION vibe._campaign_page(project_id bigint, status text, max_rows integer, after_id bigint)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    below bigint := coalesce(after_id, 9223372036854775807);
BEGIN
    IF _campaign_page.project_id IS NULL AND _campaign_page.status IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.id < below ORDER BY c.id DESC LIMIT max_rows);
    ELSIF _campaign_page.project_id IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
            WHERE c.status = _campaign_page.status AND c.id < below ORDER BY c.id DESC LIMIT max_rows);
    ELSIF _campaign_page.status IS NULL THEN
        RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
            WHERE c.project_id = _campaign_page.project_id AND c.id < below ORDER BY c.id DESC LIMIT max_rows);
    END IF;
    RETURN ARRAY(SELECT c.id FROM vibe.campaigns c
        WHERE c.project_id = _campaign_page.project_id AND c.status = _campaign_page.status AND c.id < below
        ORDER BY c.id DESC LIMIT max_rows);
END
$$;
COMMENT ON FUNCTION vibe._campaign_page(bigint, text, integer, bigint) IS 'The ids of one page of campaigns, newest first.';

CREATE FUNCTION vibe.list_campaigns(
    project_id bigint DEFAULT NULL, status text DEFAULT NULL, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._check_page(max_rows);
    IF status NOT IN ('planning', 'active', 'paused', 'in_revision', 'completed', 'cancelled') THEN
        PERFORM vibe._invalid_argument('status', status, 'Use planning, active, paused, in_revision, completed or cancelled.');
    END IF;
    RETURN QUERY SELECT * FROM vibe._campaign_infos(vibe._campaign_page(project_id, status, max_rows, after_id));
END
$$;
COMMENT ON FUNCTION vibe.list_campaigns(bigint, text, integer, bigint) IS 'Campaigns, newest first: of one project, in one status, or all. max_rows is 1 to 1000; the last id of a page is after_id of the next. Raises VB030.';

CREATE FUNCTION vibe.list_active_campaigns()
    RETURNS SETOF vibe.campaign_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._campaign_infos(ARRAY(SELECT c.id FROM vibe.campaigns c WHERE c.status IN ('active', 'in_revision')));
END;
COMMENT ON FUNCTION vibe.list_active_campaigns() IS 'Campaigns that are at work (active or in_revision), newest first.';
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
-- Verbs about campaigns. A pause is one row: the claim reads it, work rows are never touched. Whatever changes
-- many tasks takes their locks in the order of 30_transitions.sql.

-- One statement for all verbs that write a campaign, so that the same value is refused everywhere.
CREATE FUNCTION vibe._check_campaign(campaign vibe.campaigns)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF campaign.slug IS NULL OR campaign.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', campaign.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(campaign.name, '')) = '' OR length(campaign.name) > 1900 THEN
        PERFORM vibe._invalid_argument('name', campaign.name, 'Give the campaign a name of 1 to 1900 characters.');
    ELSIF (campaign.target_article_count BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('target_article_count', campaign.target_article_count::text, 'Use 1 to 1000000.');
    ELSIF (campaign.max_revisions BETWEEN 0 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_revisions', campaign.max_revisions::text, 'Use 0 to 1000.');
    ELSIF campaign.max_parallel NOT BETWEEN 1 AND 10000 THEN
        PERFORM vibe._invalid_argument('max_parallel', campaign.max_parallel::text, 'Use 1 to 10000, or NULL for no limit.');
    ELSIF campaign.backlog_threshold NOT BETWEEN 0 AND 1000000 THEN
        PERFORM vibe._invalid_argument('backlog_threshold', campaign.backlog_threshold::text, 'Use 0 to 1000000, or NULL for none.');
    ELSIF NOT (campaign.budget_usd > 0 AND campaign.budget_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('budget_usd', campaign.budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF NOT (campaign.task_budget_usd > 0 AND campaign.task_budget_usd < 1e12) THEN
        PERFORM vibe._invalid_argument('task_budget_usd', campaign.task_budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF NOT (campaign.run_budget_usd > 0 AND campaign.run_budget_usd < 1e12) THEN
        PERFORM vibe._invalid_argument('run_budget_usd', campaign.run_budget_usd::text, 'Use an amount above 0, or NULL for none.');
    ELSIF EXISTS (SELECT 1 FROM unnest(campaign.seed_keywords) k WHERE btrim(coalesce(k, '')) = '' OR length(k) > 2000) THEN
        PERFORM vibe._invalid_argument('seed_keywords', 'a keyword that is NULL, blank or longer than 2000 characters',
            'Leave such keywords out.');
    END IF;
    PERFORM vibe._check_deliverables(campaign.deliverables);
    PERFORM vibe._check_agents(array_remove(ARRAY[campaign.backlog_agent], NULL));
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_campaign(vibe.campaigns) IS 'Raises VB004 (backlog_agent) or VB030 for a campaign that cannot be stored.';

CREATE FUNCTION vibe.create_campaign(
    project_id bigint, slug text, name text, pipeline_id bigint DEFAULT NULL, pipeline_slug text DEFAULT NULL,
    target_article_count integer DEFAULT 5, description text DEFAULT NULL, seed_keywords text[] DEFAULT '{}',
    competitor_urls text[] DEFAULT '{}', focus_group_ids text[] DEFAULT '{}', deliverables jsonb DEFAULT NULL,
    budget_usd numeric DEFAULT NULL, notes text DEFAULT NULL, max_revisions integer DEFAULT 3,
    max_parallel integer DEFAULT NULL, backlog_threshold integer DEFAULT NULL, backlog_agent text DEFAULT NULL
)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    version vibe.pipeline_versions;
    given vibe.campaigns;
BEGIN
    given.slug := create_campaign.slug;
    given.name := create_campaign.name;
    given.description := create_campaign.description;
    given.target_article_count := create_campaign.target_article_count;
    given.seed_keywords := coalesce(create_campaign.seed_keywords, '{}');
    given.competitor_urls := coalesce(create_campaign.competitor_urls, '{}');
    given.focus_group_ids := coalesce(create_campaign.focus_group_ids, '{}');
    given.deliverables := create_campaign.deliverables;
    given.budget_usd := create_campaign.budget_usd;
    given.max_revisions := create_campaign.max_revisions;
    given.max_parallel := create_campaign.max_parallel;
    given.backlog_threshold := create_campaign.backlog_threshold;
    given.backlog_agent := create_campaign.backlog_agent;
    given.notes := create_campaign.notes;
    PERFORM vibe._check_campaign(given);
    version := vibe._pipeline_for_campaign(create_campaign.pipeline_id, create_campaign.pipeline_slug);
    given.project_id := (vibe._lock_project_in_use(create_campaign.project_id)).id;
    INSERT INTO vibe.campaigns AS c (project_id, slug, name, description, pipeline_version_id, target_article_count,
        seed_keywords, competitor_urls, focus_group_ids, deliverables, budget_usd, max_revisions, max_parallel,
        backlog_threshold, backlog_agent, notes, created_at, updated_at)
    VALUES (given.project_id, given.slug, given.name, given.description, version.id, given.target_article_count,
        given.seed_keywords, given.competitor_urls, given.focus_group_ids, given.deliverables, given.budget_usd,
        given.max_revisions, given.max_parallel, given.backlog_threshold, given.backlog_agent, given.notes, at, at)
    ON CONFLICT ON CONSTRAINT campaigns_slug_key DO NOTHING
    RETURNING c.id INTO given.id;
    IF given.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a campaign with this slug exists already',
            DETAIL = format('The slug is "%s".', given.slug),
            HINT = format('SELECT * FROM vibe.get_campaign_by_slug(%L) shows it; choose another slug for a new one.', given.slug);
    END IF;
    RETURN QUERY SELECT * FROM vibe._campaign_infos(ARRAY[given.id]);
END
$$;
COMMENT ON FUNCTION vibe.create_campaign(bigint, text, text, bigint, text, integer, text, text[], text[], text[], jsonb, numeric, text, integer, integer, integer, text) IS 'Creates a campaign in status planning with the current version of a pipeline, named by id or by slug, which it keeps for good. deliverables NULL wants all that the pipeline offers; max_parallel is the number of its runs at once, NULL for no limit; fewer open tasks than backlog_threshold are a low backlog, which backlog_agent is to fill. Locks the project row. Raises VB001 (project), VB004 (backlog_agent), VB005 (pipeline), VB022, VB023 (project archived), VB030 (invalid argument), VB032 (slug taken).';

CREATE FUNCTION vibe._pipeline_for_campaign(pipeline_id bigint, pipeline_slug text)
    RETURNS vibe.pipeline_versions
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version vibe.pipeline_versions;
BEGIN
    IF num_nonnulls(pipeline_id, pipeline_slug) <> 1 THEN
        PERFORM vibe._invalid_argument('pipeline_slug', pipeline_slug, 'Name the pipeline by pipeline_id or by pipeline_slug, one of the two.');
    END IF;
    SELECT v.* INTO version
      FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id
     WHERE (p.id = _pipeline_for_campaign.pipeline_id OR p.slug = _pipeline_for_campaign.pipeline_slug) AND p.archived_at IS NULL
     ORDER BY v.number DESC LIMIT 1
       FOR KEY SHARE OF p;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB005',
            MESSAGE = 'pipeline not found',
            DETAIL = format('There is no pipeline %s.', coalesce(quote_literal(left(pipeline_slug, 200)), 'with id ' || pipeline_id)),
            HINT = 'SELECT * FROM vibe.list_pipelines() lists them.';
    END IF;
    RETURN version;
END
$$;
COMMENT ON FUNCTION vibe._pipeline_for_campaign(bigint, text) IS 'The current version of the pipeline with that id or slug, the pipeline locked FOR KEY SHARE against delete_pipeline(). Raises VB005 (also an archived one), VB030.';

CREATE FUNCTION vibe._campaign_full(campaign_id bigint, has integer, more integer)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB034',
        MESSAGE = 'a campaign holds at most 1000000 tasks',
        DETAIL = format('Campaign %s has %s tasks; %s more were asked for.', campaign_id, has, more),
        HINT = 'Create another campaign for the rest.';
END
$$;
COMMENT ON FUNCTION vibe._campaign_full(bigint, integer, integer) IS 'Raises VB034.';

-- Tables written: tasks, work. One statement whatever the number: the entry point is the same for all.
CREATE FUNCTION vibe._create_tasks(campaign vibe.campaigns, how_many integer, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry record;
    last_number integer;
    last_keyword integer;
    created bigint;
BEGIN
    -- Numbers ascend with ids: both are drawn under the campaign's lock.
    last_number := coalesce((SELECT t.number FROM vibe.tasks t
        WHERE t.campaign_id = campaign.id ORDER BY t.id DESC LIMIT 1), 0);
    last_keyword := coalesce((SELECT t.keyword_number FROM vibe.tasks t
        WHERE t.campaign_id = campaign.id AND t.keyword_number IS NOT NULL ORDER BY t.id DESC LIMIT 1), 0);
    IF last_number + how_many > 1000000 THEN
        PERFORM vibe._campaign_full(campaign.id, last_number, how_many);
    END IF;
    SELECT * INTO entry FROM vibe._next_stop(campaign.pipeline_version_id, -1, false, campaign.deliverables, '{}');
    -- Slugs become file names, so no two tasks of a campaign may share one: a keyword that reads like an earlier
    -- one, in this batch or before it, or like the slug of a task without a keyword, gets "--" and its number.
    -- _slug() itself never yields two hyphens in a row.
    WITH keywords AS (
        SELECT k.i AS nth, btrim(k.keyword) AS keyword, b.base,
               row_number() OVER (PARTITION BY b.base ORDER BY k.i) > 1 OR b.base ~ '^task-[0-9]+$' AS is_taken
          FROM unnest(campaign.seed_keywords) WITH ORDINALITY k(keyword, i)
         CROSS JOIN LATERAL (SELECT vibe._slug(k.keyword) AS base) b
    ), numbered AS (
        SELECT last_number + i AS n, last_keyword + i AS nth, k.keyword, k.base,
               k.is_taken OR EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.slug = k.base) AS is_taken
          FROM generate_series(1, how_many) i
          LEFT JOIN keywords k ON k.nth = last_keyword + i
    ), new_tasks AS (
        INSERT INTO vibe.tasks (project_id, campaign_id, pipeline_version_id, number, title, slug, keyword, keyword_number, step, created_at, updated_at)
        SELECT campaign.project_id, campaign.id, campaign.pipeline_version_id, n,
               coalesce(keyword, campaign.name || ' #' || n),
               CASE WHEN keyword IS NULL OR base = '' THEN 'task-' || n
                    WHEN is_taken THEN base || '--' || n ELSE base END,
               keyword, nth, entry.next_step, at, at
          FROM numbered
         ORDER BY n
        RETURNING id
    ), main_line AS (
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since)
        SELECT t.id, '', campaign.id, entry.next_step, entry.next_agent,
               CASE WHEN entry.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, entry.waiting_for,
               vibe._priority_rank('medium'), at
          FROM new_tasks t
    ), branches AS (
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT t.id, s.branch, campaign.id, 0, s.agent_name, 'ready', vibe._priority_rank('medium'), at
          FROM new_tasks t
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = campaign.pipeline_version_id AND s.branch = ANY (entry.opened)
    )
    SELECT count(*) INTO created FROM new_tasks;
    PERFORM vibe._notify('approval_needed', format('%s new tasks of campaign "%s" wait for approval.', created, campaign.name),
        NULL, campaign.project_id, campaign.id) WHERE entry.waiting_for = 'approval';
    RETURN created;
END
$$;
COMMENT ON FUNCTION vibe._create_tasks(vibe.campaigns, integer, timestamptz) IS 'Creates tasks of a campaign and makes their first step ready, in one statement. Raises VB034.';

-- Tables written: campaigns, tasks, work, activities. Locks, in order: the campaign row (its tasks do not exist
-- yet, so nobody can hold one of them and wait for the campaign).
CREATE FUNCTION vibe.activate_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(activate_campaign.id);
    created bigint := 0;
BEGIN
    IF campaign.status NOT IN ('planning', 'paused', 'active', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'activated', 'Create a new campaign.');
    END IF;
    IF campaign.status IN ('planning', 'paused') THEN
        IF campaign.activated_at IS NULL THEN
            created := vibe._create_tasks(campaign, campaign.target_article_count, at);
        END IF;
        UPDATE vibe.campaigns c
           SET status = coalesce(c.paused_from, 'active'), paused_from = NULL,
               activated_at = coalesce(c.activated_at, at), updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._note_home();
        PERFORM vibe._record('campaign_activated', format('Campaign "%s" was activated.', campaign.name),
            jsonb_build_object('tasks_created', created), campaign.project_id, campaign.id);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status, created;
END
$$;
COMMENT ON FUNCTION vibe.activate_campaign(bigint) IS 'planning or paused → active: creates target_article_count tasks once, beside those that create_task() made while it was planned, and makes their first step ready, all in the caller''s transaction. A second call creates nothing. Locks the campaign row. Raises VB002 (campaign), VB020 (completed or cancelled), VB022 (isolation level).';

CREATE FUNCTION vibe.generate_tasks(campaign_id bigint, how_many integer)
    RETURNS TABLE (tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    created bigint;
BEGIN
    IF (generate_tasks.how_many BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('how_many', generate_tasks.how_many::text, 'Use 1 to 1000000.');
    END IF;
    campaign := vibe._lock_campaign(generate_tasks.campaign_id);
    IF campaign.status NOT IN ('active', 'paused', 'in_revision') THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    created := vibe._create_tasks(campaign, generate_tasks.how_many, at);
    PERFORM vibe._record('tasks_generated', format('%s tasks were added to campaign "%s".', created, campaign.name),
        jsonb_build_object('tasks_created', created), campaign.project_id, campaign.id);
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT created;
END
$$;
COMMENT ON FUNCTION vibe.generate_tasks(bigint, integer) IS 'Adds tasks to an active or paused campaign and makes their first step ready. Locks the campaign row. Raises VB002, VB021 (not active), VB022, VB030, VB034 (more than 1000000).';

CREATE FUNCTION vibe._campaign_not_active(campaign vibe.campaigns)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB021',
        MESSAGE = format('campaign %s is not active', campaign.id),
        DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
        HINT = CASE campaign.status
            WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(%s);', campaign.id)
            WHEN 'paused' THEN format('SELECT * FROM vibe.resume_campaign(%s);', campaign.id)
            WHEN 'completed' THEN format('SELECT * FROM vibe.reopen_campaign(%s), or extend_campaign() to add tasks.', campaign.id)
            ELSE 'A campaign that has ended takes no more work; create another one.' END;
END
$$;
COMMENT ON FUNCTION vibe._campaign_not_active(vibe.campaigns) IS 'Raises VB021 with the call that would help.';

-- Tables written: campaigns, activities; with stop_running also work and runs.
-- Locks, in order: with stop_running the tasks whose runs are stopped; the campaign row.
CREATE FUNCTION vibe.pause_campaign(id bigint, stop_running boolean DEFAULT false)
    RETURNS TABLE (campaign_id bigint, status text, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    locked bigint[];
    stopped bigint := 0;
BEGIN
    IF pause_campaign.stop_running THEN
        -- What is claimed after the locks were taken is left to _unclaim_paused().
        locked := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.id IN (SELECT w.task_id FROM vibe.work w WHERE w.campaign_id = pause_campaign.id AND w.state = 'held')
            ORDER BY t.id FOR NO KEY UPDATE);
        stopped := vibe._put_back(ARRAY(SELECT w.run_id FROM vibe.work w
            WHERE w.task_id = ANY (locked) AND w.state = 'held'), 'the campaign was paused', at);
    END IF;
    campaign := vibe._lock_campaign(pause_campaign.id);
    IF campaign.status NOT IN ('active', 'in_revision', 'paused') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'paused', 'Only a campaign that is at work can be paused.');
    END IF;
    IF campaign.status <> 'paused' THEN
        UPDATE vibe.campaigns c SET status = 'paused', paused_from = c.status, updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._record('campaign_paused', format('Campaign "%s" was paused.', campaign.name),
            jsonb_build_object('runs_stopped', stopped), campaign.project_id, campaign.id);
    END IF;
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT campaign.id, campaign.status, stopped;
END
$$;
COMMENT ON FUNCTION vibe.pause_campaign(bigint, boolean) IS 'active → paused: no claim that begins after the commit takes its work, and nothing already claimed is started. Running steps may finish, or are stopped and put back without using up an attempt (stop_running). Locks the campaign row. Raises VB002, VB020, VB022.';

CREATE FUNCTION vibe.resume_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(resume_campaign.id);
BEGIN
    IF campaign.status NOT IN ('paused', 'active', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'resumed', CASE campaign.status
            WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(%s);', campaign.id)
            ELSE 'Create a new campaign.' END);
    END IF;
    IF campaign.status = 'paused' THEN
        UPDATE vibe.campaigns c SET status = c.paused_from, paused_from = NULL, updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._record('campaign_resumed', format('Campaign "%s" was resumed.', campaign.name),
            NULL, campaign.project_id, campaign.id);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status;
END
$$;
COMMENT ON FUNCTION vibe.resume_campaign(bigint) IS 'paused → what it was before: all that waited for the pause goes on; a human gate stays closed. Locks the campaign row. Raises VB002, VB020, VB022.';

-- Where many tasks end at once, their campaign's row is what all would wait for. An open task that we can lock until
-- our commit makes that needless: whoever ends it comes after us, sees our task ended, and looks for the campaign's
-- end in our place. Tried and never waited for, from the highest id down: those are the last to be worked on.
CREATE FUNCTION vibe._leaves_the_end_to_another(campaign_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM vibe.tasks t WHERE t.campaign_id = _leaves_the_end_to_another.campaign_id AND t.ended_at IS NULL
      ORDER BY t.id DESC LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._leaves_the_end_to_another(bigint) IS 'Whether another task of the campaign is open and cannot end before this transaction does.';

-- Lock first, look in a statement of its own: the last two tasks of a campaign wait for each other here, and the
-- second one sees the first one finished. Scans from the highest id down: the lowest ids end first, and their
-- dead index entries are what an ascending scan would walk over.
CREATE FUNCTION vibe._finish_campaign(campaign_id bigint, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF _finish_campaign.campaign_id = 0 THEN
        RETURN false;
    END IF;
    campaign := vibe._lock_campaign(_finish_campaign.campaign_id);
    IF campaign.status NOT IN ('active', 'paused', 'in_revision') THEN
        RETURN campaign.status = 'completed';
    END IF;
    PERFORM 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL
      ORDER BY t.id DESC LIMIT 1;
    IF FOUND OR NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id
                               AND t.ended_at >= coalesce(campaign.reopened_at, t.ended_at)) THEN
        RETURN false;
    END IF;
    UPDATE vibe.campaigns c SET status = 'completed', paused_from = NULL, ended_at = at, updated_at = at
     WHERE c.id = campaign.id
    RETURNING c.* INTO campaign;
    PERFORM vibe._tell_campaign_completed(campaign, false);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._finish_campaign(bigint, timestamptz) IS 'Marks a campaign completed if it has tasks and none of them is open; one that was reopened only if a task has ended since. Locks the campaign row.';

CREATE FUNCTION vibe.check_campaign_completion(id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(check_campaign_completion.id);
BEGIN
    RETURN vibe._finish_campaign(campaign.id, at);
END
$$;
COMMENT ON FUNCTION vibe.check_campaign_completion(bigint) IS 'Whether the campaign is completed; marks it so if all its tasks have ended (of a reopened one: and one of them since). Locks the campaign row. Raises VB002, VB022.';

CREATE FUNCTION vibe.complete_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(complete_campaign.id);
    open_tasks bigint;
BEGIN
    IF campaign.status NOT IN ('active', 'paused', 'in_revision', 'completed') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'completed', 'Only a campaign that was activated can be completed.');
    END IF;
    SELECT count(*) INTO open_tasks FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL;
    IF open_tasks > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('campaign %s still has open tasks', campaign.id),
            DETAIL = format('%s tasks are neither completed nor cancelled.', open_tasks),
            HINT = format('SELECT * FROM vibe.cancel_task(task) for those that are given up, or SELECT * FROM vibe.cancel_campaign(%s);', campaign.id);
    END IF;
    IF campaign.status <> 'completed' THEN
        UPDATE vibe.campaigns c SET status = 'completed', paused_from = NULL, ended_at = at, updated_at = at
         WHERE c.id = campaign.id
        RETURNING c.* INTO campaign;
        PERFORM vibe._tell_campaign_completed(campaign, true);
    END IF;
    RETURN QUERY SELECT campaign.id, 'completed'::text;
END
$$;
COMMENT ON FUNCTION vibe.complete_campaign(bigint) IS 'Marks a campaign completed by hand, also one without tasks. Locks the campaign row. Raises VB002, VB020 (never activated, cancelled), VB022, VB033 (open tasks).';

-- Tables written: tasks, work, runs, campaigns, activities. Locks, in order: all open tasks of the campaign with
-- ids ascending, their work and runs, the campaign row. Tasks that were added between the two locks cannot be
-- locked then without breaking that order: everything is let go (the subtransaction ends) and tried again.
CREATE FUNCTION vibe.cancel_campaign(id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (campaign_id bigint, status text, tasks_cancelled bigint, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    cancelled bigint[];
    stopped bigint;
BEGIN
    LOOP
        BEGIN
            cancelled := ARRAY(SELECT t.id FROM vibe.tasks t
                WHERE t.campaign_id = cancel_campaign.id AND t.ended_at IS NULL ORDER BY t.id FOR NO KEY UPDATE);
            stopped := vibe._cancel_tasks(cancelled, coalesce(cancel_campaign.reason, 'the campaign was cancelled'), at);
            campaign := vibe._lock_campaign(cancel_campaign.id);
            IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL) THEN
                RAISE EXCEPTION USING ERRCODE = 'VB099', MESSAGE = 'tasks were added meanwhile';
            END IF;
            EXIT;
        EXCEPTION WHEN SQLSTATE 'VB099' THEN
            NULL;
        END;
    END LOOP;
    IF campaign.status = 'completed' THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'cancelled', 'It is completed; nothing is left to cancel.');
    END IF;
    IF campaign.status <> 'cancelled' THEN
        UPDATE vibe.campaigns c SET status = 'cancelled', paused_from = NULL, ended_at = at, updated_at = at
         WHERE c.id = campaign.id;
        PERFORM vibe._record('campaign_cancelled', format('Campaign "%s" was cancelled.', campaign.name),
            jsonb_build_object('tasks_cancelled', cardinality(cancelled), 'runs_stopped', stopped, 'reason', cancel_campaign.reason),
            campaign.project_id, campaign.id);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT campaign.id, 'cancelled'::text, cardinality(cancelled)::bigint, stopped;
END
$$;
COMMENT ON FUNCTION vibe.cancel_campaign(bigint, text) IS 'Gives a campaign up: cancels its open tasks and stops what runs, whole process trees. Locks its open tasks, then the campaign row. Raises VB002, VB020 (completed), VB022.';
-- What follows when a campaign is completed, as its pipeline says in on_complete.

CREATE FUNCTION vibe._campaign_summary(campaign_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object(
                   'articles', count(*) FILTER (WHERE t.status = 'completed'),
                   'cancelled', count(*) FILTER (WHERE t.status = 'cancelled'),
                   'average_score', round(avg(t.quality_score) FILTER (WHERE t.status = 'completed'), 1),
                   'revisions', coalesce(sum(t.revision_count), 0),
                   'cost_usd', (SELECT sum(r.cost_usd) FROM vibe.tasks x JOIN vibe.runs r ON r.task_id = x.id WHERE x.campaign_id = c.id),
                   'duration_s', round(extract(epoch FROM c.ended_at - c.activated_at)))
          FROM vibe.campaigns c
          LEFT JOIN vibe.tasks t ON t.campaign_id = c.id
         WHERE c.id = _campaign_summary.campaign_id
         GROUP BY c.id);
END
$$;
COMMENT ON FUNCTION vibe._campaign_summary(bigint) IS 'How a campaign went: articles, cancelled tasks, average score (0 to 100), revisions, cost in US dollars (NULL: unknown), and seconds from its activation to its end.';

CREATE FUNCTION vibe._summary_text(summary jsonb)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT concat_ws(', ',
        format('%s articles', summary ->> 'articles'),
        CASE WHEN summary -> 'cancelled' <> '0' THEN format('%s tasks cancelled', summary ->> 'cancelled') END,
        'average score ' || (summary ->> 'average_score'),
        format('%s revisions', summary ->> 'revisions'),
        round((summary ->> 'cost_usd')::numeric, 2) || ' USD',
        'in ' || to_char(make_interval(secs => (summary ->> 'duration_s')::double precision), 'HH24:MI:SS'));
END;
COMMENT ON FUNCTION vibe._summary_text(jsonb) IS 'A campaign''s summary as part of a sentence.';

-- Tables written: activities, notifications, deliveries. The campaign is locked by the caller; its totals are read in
-- a statement of their own, so that they hold the task that was last.
CREATE FUNCTION vibe._tell_campaign_completed(campaign vibe.campaigns, by_hand boolean)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted jsonb := (SELECT v.on_complete FROM vibe.pipeline_versions v WHERE v.id = campaign.pipeline_version_id);
    detail jsonb := jsonb_build_object();
    message text := format('Campaign "%s" was completed%s.', campaign.name, CASE WHEN by_hand THEN ' by hand' END);
BEGIN
    IF vibe._key(wanted, 'summary') = 'true' THEN
        detail := jsonb_build_object('summary', vibe._campaign_summary(campaign.id));
        message := format('%s %s.', message, vibe._summary_text(detail -> 'summary'));
    END IF;
    IF vibe._key(wanted, 'generate_manifest') = 'true' THEN
        detail := detail || jsonb_build_object('manifest', format('SELECT vibe.campaign_manifest(%s);', campaign.id));
    END IF;
    RETURN vibe._record('campaign_completed', message, detail, campaign.project_id, campaign.id,
        also_to => CASE WHEN vibe._key(wanted, 'telegram') = 'true' THEN 'telegram' END);
END
$$;
COMMENT ON FUNCTION vibe._tell_campaign_completed(vibe.campaigns, boolean) IS 'Tells that a campaign was completed, with what on_complete of its pipeline asks for: a summary, where its manifest is, the channel telegram.';
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
-- Verbs that change what a campaign is, and open it again.

CREATE FUNCTION vibe.update_campaign(id bigint, changes jsonb)
    RETURNS SETOF vibe.campaign_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
BEGIN
    PERFORM vibe._check_fields('changes', update_campaign.changes, ARRAY['name', 'description', 'target_article_count',
        'seed_keywords', 'competitor_urls', 'focus_group_ids', 'deliverables', 'budget_usd', 'task_budget_usd',
        'run_budget_usd', 'notes', 'max_revisions', 'max_parallel', 'backlog_threshold', 'backlog_agent']);
    campaign := vibe._changed_campaign(vibe._lock_campaign(update_campaign.id), update_campaign.changes);
    PERFORM vibe._check_campaign(campaign);
    UPDATE vibe.campaigns c
       SET name = campaign.name, description = campaign.description, target_article_count = campaign.target_article_count,
           seed_keywords = campaign.seed_keywords, competitor_urls = campaign.competitor_urls,
           focus_group_ids = campaign.focus_group_ids, deliverables = campaign.deliverables,
           budget_usd = campaign.budget_usd, task_budget_usd = campaign.task_budget_usd,
           run_budget_usd = campaign.run_budget_usd, notes = campaign.notes, max_revisions = campaign.max_revisions,
           max_parallel = campaign.max_parallel, backlog_threshold = campaign.backlog_threshold,
           backlog_agent = campaign.backlog_agent, updated_at = at
     WHERE c.id = campaign.id;
    IF update_campaign.changes ?| ARRAY['budget_usd', 'task_budget_usd', 'run_budget_usd'] THEN
        PERFORM vibe._forget_crossings(campaign.id);
    END IF;
    PERFORM vibe._record('campaign_updated', format('Campaign "%s" was changed.', campaign.name), update_campaign.changes,
        campaign.project_id, campaign.id);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT * FROM vibe._campaign_infos(ARRAY[campaign.id]);
END
$$;
COMMENT ON FUNCTION vibe.update_campaign(bigint, jsonb) IS 'Changes the fields of a campaign that changes names: name, description, target_article_count (only while planning), seed_keywords (tasks that are there keep theirs; extend_campaign() goes on behind the last one used), competitor_urls, focus_group_ids, deliverables (for branches that have not begun), budget_usd, task_budget_usd and run_budget_usd (as set_budget() does), notes, max_revisions, max_parallel, backlog_threshold, backlog_agent. null clears a field. Locks the campaign row. Raises VB002, VB004 (backlog_agent), VB020 (target_article_count after planning), VB022, VB030 (another field, invalid value).';

CREATE FUNCTION vibe._changed_campaign(campaign vibe.campaigns, changes jsonb)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF changes ? 'target_article_count' AND campaign.status <> 'planning' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'target_article_count can be changed only while planning',
            DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
            HINT = format('SELECT * FROM vibe.extend_campaign(%s, how_many) adds tasks.', campaign.id);
    END IF;
    campaign.name := vibe._text_field(changes, 'name', campaign.name);
    campaign.description := vibe._text_field(changes, 'description', campaign.description);
    campaign.target_article_count := vibe._integer_field(changes, 'target_article_count', campaign.target_article_count);
    campaign.seed_keywords := vibe._texts_field(changes, 'seed_keywords', campaign.seed_keywords);
    campaign.competitor_urls := vibe._texts_field(changes, 'competitor_urls', campaign.competitor_urls);
    campaign.focus_group_ids := vibe._texts_field(changes, 'focus_group_ids', campaign.focus_group_ids);
    IF changes ? 'deliverables' THEN
        campaign.deliverables := nullif(changes -> 'deliverables', 'null');
    END IF;
    campaign.budget_usd := vibe._number_field(changes, 'budget_usd', campaign.budget_usd);
    campaign.task_budget_usd := vibe._number_field(changes, 'task_budget_usd', campaign.task_budget_usd);
    campaign.run_budget_usd := vibe._number_field(changes, 'run_budget_usd', campaign.run_budget_usd);
    campaign.notes := vibe._text_field(changes, 'notes', campaign.notes);
    campaign.max_revisions := vibe._integer_field(changes, 'max_revisions', campaign.max_revisions);
    campaign.max_parallel := vibe._integer_field(changes, 'max_parallel', campaign.max_parallel);
    campaign.backlog_threshold := vibe._integer_field(changes, 'backlog_threshold', campaign.backlog_threshold);
    campaign.backlog_agent := vibe._text_field(changes, 'backlog_agent', campaign.backlog_agent);
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._changed_campaign(vibe.campaigns, jsonb) IS 'A campaign as it would be with these changes. Raises VB020, VB030.';

-- Tables written: campaigns, activities. Locks, in order: the campaign row (by the caller), the project row.
CREATE FUNCTION vibe._reopen(campaign vibe.campaigns, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._lock_project_in_use(campaign.project_id);
    -- Behind the end of its last task, also where that came while this call waited for the lock.
    UPDATE vibe.campaigns c
       SET status = 'in_revision', ended_at = NULL, updated_at = at,
           reopened_at = greatest(at, c.ended_at + interval '1 microsecond')
     WHERE c.id = campaign.id
    RETURNING c.* INTO campaign;
    PERFORM vibe._record('campaign_reopened', format('Campaign "%s" was opened again.', campaign.name),
        NULL, campaign.project_id, campaign.id);
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._reopen(vibe.campaigns, timestamptz) IS 'completed → in_revision. Raises VB023 (project archived).';

CREATE FUNCTION vibe.reopen_campaign(id bigint)
    RETURNS TABLE (campaign_id bigint, status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns := vibe._lock_campaign(reopen_campaign.id);
BEGIN
    IF campaign.status NOT IN ('completed', 'in_revision') THEN
        PERFORM vibe._illegal_campaign_change(campaign, 'reopened', CASE campaign.status
            WHEN 'cancelled' THEN 'A cancelled campaign stays so; create another one.'
            ELSE 'It is open: request_revision() and create_task() work at once.' END);
    END IF;
    IF campaign.status = 'completed' THEN
        campaign := vibe._reopen(campaign, at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT campaign.id, campaign.status;
END
$$;
COMMENT ON FUNCTION vibe.reopen_campaign(bigint) IS 'completed → in_revision: its tasks can be sent back (request_revision) and new ones be added. It is completed by itself again when a task has ended since and none is open, or with complete_campaign(). One that is in_revision stays so. Locks the campaign row, then the project row. Raises VB002, VB020 (not completed), VB022, VB023 (project archived).';

CREATE FUNCTION vibe.extend_campaign(id bigint, how_many integer)
    RETURNS TABLE (campaign_id bigint, status text, tasks_created bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
    created bigint;
BEGIN
    IF (extend_campaign.how_many BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('how_many', extend_campaign.how_many::text, 'Use 1 to 1000000.');
    END IF;
    campaign := vibe._lock_campaign(extend_campaign.id);
    IF campaign.status = 'completed' THEN
        campaign := vibe._reopen(campaign, at);
    END IF;
    SELECT g.tasks_created INTO STRICT created FROM vibe.generate_tasks(campaign.id, extend_campaign.how_many) g;
    RETURN QUERY SELECT campaign.id, campaign.status, created;
END
$$;
COMMENT ON FUNCTION vibe.extend_campaign(bigint, integer) IS 'Adds tasks with the next seed keywords and makes their first step ready; a completed campaign is in_revision from then on. Locks the campaign row, for a completed one also the project row. Raises VB002, VB021 (planning, cancelled), VB022, VB023 (project archived), VB030, VB034 (more than 1000000).';
-- Skills and which agent loads which. Agents are told of them in their prompt and launch record (_launch).

CREATE TYPE vibe.skill_info AS (slug text, name text, path text, kind text, description text, created_at timestamptz);
COMMENT ON TYPE vibe.skill_info IS 'A skill, as functions return it.';

CREATE FUNCTION vibe._skill_not_found(slugs text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB009',
        MESSAGE = 'skill not found',
        DETAIL = format('There is no skill %s.', coalesce(left(slugs, 200), 'NULL')),
        HINT = 'SELECT * FROM vibe.list_skills() lists them; vibe.register_skill(slug => …, name => …, path => …) adds one.';
END
$$;
COMMENT ON FUNCTION vibe._skill_not_found(text) IS 'Raises VB009.';

CREATE FUNCTION vibe._check_skill(skill vibe.skills)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF skill.slug IS NULL OR skill.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', skill.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(skill.name, '')) = '' THEN
        PERFORM vibe._invalid_argument('name', skill.name, 'Give the skill a name.');
    ELSIF skill.path IS NULL OR skill.path !~ E'^[^\\x01-\\x1f~-][^\\x01-\\x1f]*$' OR skill.path ~ E'(^|/)\\.\\.?(/|$)'
          OR length(skill.path) > 1000 THEN
        PERFORM vibe._invalid_argument('path', skill.path,
            'Use an absolute or relative path of up to 1000 characters without "." and "..", not beginning with "~" or "-".');
    ELSIF skill.kind !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('kind', skill.kind, 'Use 1 to 100 letters, digits, ".", "_" and "-".');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_skill(vibe.skills) IS 'Raises VB030 for a skill that breaks a rule.';

CREATE FUNCTION vibe.register_skill(
    slug text, name text DEFAULT NULL, path text DEFAULT NULL, kind text DEFAULT NULL, description text DEFAULT NULL
)
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    skill vibe.skills;
BEGIN
    SELECT * INTO skill FROM vibe.skills s WHERE s.slug = register_skill.slug;
    skill := (register_skill.slug, coalesce(register_skill.name, skill.name), coalesce(register_skill.path, skill.path),
        coalesce(register_skill.kind, skill.kind, 'skill'),
        nullif(coalesce(register_skill.description, skill.description), ''), coalesce(skill.created_at, at));
    PERFORM vibe._check_skill(skill);
    RETURN QUERY
        INSERT INTO vibe.skills AS s
        SELECT skill.*
        ON CONFLICT ON CONSTRAINT skills_pkey DO UPDATE SET
            name = coalesce(register_skill.name, s.name), path = coalesce(register_skill.path, s.path),
            kind = coalesce(register_skill.kind, s.kind),
            description = nullif(coalesce(register_skill.description, s.description), '')
        RETURNING s.slug, s.name, s.path, s.kind, s.description, s.created_at;
END
$$;
COMMENT ON FUNCTION vibe.register_skill(text, text, text, text, text) IS 'Inserts a skill, or changes the given fields of one; NULL leaves a field as it is, an empty description clears it. A new one needs name and path. path is absolute or relative, and only told to agents. kind is skill where nothing is given. Locks the skill row. Raises VB022, VB030.';

CREATE FUNCTION vibe.delete_skill(slug text)
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    skill vibe.skills;
    users text;
BEGIN
    PERFORM vibe._begin_verb();
    SELECT * INTO skill FROM vibe.skills s WHERE s.slug = delete_skill.slug FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._skill_not_found(quote_literal(delete_skill.slug));
    END IF;
    SELECT string_agg(x.agent_name, ', ' ORDER BY x.agent_name) INTO users FROM vibe.agent_skills x WHERE x.skill_slug = skill.slug;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = 'the skill cannot be deleted',
            DETAIL = format('Skill "%s" is loaded by %s.', skill.slug, left(users, 200)),
            HINT = 'SELECT * FROM vibe.set_agent_skills(agent_name => …, skill_slugs => …) gives an agent other skills.';
    END IF;
    RETURN QUERY DELETE FROM vibe.skills s WHERE s.slug = skill.slug RETURNING s.slug, s.name, s.path, s.kind, s.description, s.created_at;
END
$$;
COMMENT ON FUNCTION vibe.delete_skill(text) IS 'Deletes a skill that no agent loads. Locks the skill row. Raises VB009, VB022, VB033 (an agent loads it).';

CREATE FUNCTION vibe.list_skills()
    RETURNS TABLE (slug text, name text, path text, kind text, description text, agents text[], created_at timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.slug, s.name, s.path, s.kind, s.description,
           ARRAY(SELECT x.agent_name FROM vibe.agent_skills x WHERE x.skill_slug = s.slug ORDER BY x.agent_name), s.created_at
      FROM vibe.skills s
     ORDER BY s.slug;
END;
COMMENT ON FUNCTION vibe.list_skills() IS 'All skills, and which agents load each.';

CREATE FUNCTION vibe.list_agent_skills(agent_name text)
    RETURNS SETOF vibe.skill_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.slug, s.name, s.path, s.kind, s.description, s.created_at
      FROM vibe.agent_skills x JOIN vibe.skills s ON s.slug = x.skill_slug
     WHERE x.agent_name = list_agent_skills.agent_name
     ORDER BY x.position;
END;
COMMENT ON FUNCTION vibe.list_agent_skills(text) IS 'The skills of an agent in its order; no row for one that has none or is not there.';

-- Tables written: agent_skills. Locks, in order: the agent row, then by foreign key the skills.
CREATE FUNCTION vibe.set_agent_skills(agent_name text, skill_slugs text[])
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
    missing text;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(set_agent_skills.agent_name);
    IF skill_slugs IS NULL OR cardinality(skill_slugs) > 100 THEN
        PERFORM vibe._invalid_argument('skill_slugs', left(skill_slugs::text, 200), 'Use an array of up to 100 slugs; {} for none.');
    END IF;
    SELECT string_agg(coalesce(quote_literal(left(k.slug, 100)), 'NULL'), ', ' ORDER BY k.n) INTO missing
      FROM unnest(skill_slugs) WITH ORDINALITY k(slug, n)
     WHERE NOT EXISTS (SELECT 1 FROM vibe.skills s WHERE s.slug = k.slug);
    IF missing IS NOT NULL THEN
        PERFORM vibe._skill_not_found(missing);
    END IF;
    DELETE FROM vibe.agent_skills x WHERE x.agent_name = agent.name;
    INSERT INTO vibe.agent_skills (agent_name, skill_slug, position)
    SELECT agent.name, k.slug, row_number() OVER (ORDER BY min(k.n)) FROM unnest(skill_slugs) WITH ORDINALITY k(slug, n) GROUP BY k.slug;
    RETURN QUERY SELECT * FROM vibe.list_agent_skills(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.set_agent_skills(text, text[]) IS 'Which skills an agent loads, in this order and no others; also for agents that came with the extension. Its next run is told. Locks the agent row. Raises VB004, VB009 (unknown skill), VB022, VB030.';
-- The state machine: what follows a step that was done, failed, or is to be done again. Everything here is
-- called with the task row locked; the verbs of 55 to 60 are its only callers.

-- Where the main line stops next after a step, passing steps without an agent, and which branches those passed
-- steps open. closed_branches are done or already under way.
CREATE FUNCTION vibe._next_stop(
    version_id bigint, after_step integer, branches_open boolean, wanted jsonb, closed_branches text[],
    OUT next_step integer, OUT next_agent text, OUT waiting_for text, OUT opened text[]
)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here integer := after_step;
    following vibe.pipeline_steps;
    convergence integer := (SELECT v.convergence_step FROM vibe.pipeline_versions v WHERE v.id = version_id);
BEGIN
    opened := '{}';
    LOOP
        opened := opened || ARRAY(
            SELECT s.branch FROM vibe.pipeline_steps s
             WHERE s.pipeline_version_id = version_id AND s.branch <> '' AND s.trigger_after_step = here
               AND vibe._wants(wanted, s.deliverable) AND s.branch <> ALL (closed_branches)
             ORDER BY s.branch);
        SELECT * INTO following FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = version_id AND s.branch = '' AND s.step > here
         ORDER BY s.step LIMIT 1;
        EXIT WHEN NOT FOUND;
        next_step := following.step;
        next_agent := following.agent_name;
        waiting_for := CASE
            WHEN following.step >= convergence AND (branches_open OR opened <> '{}') THEN 'branches'
            WHEN following.agent_name IS NULL AND following.gate = 'human' THEN 'approval' END;
        EXIT WHEN waiting_for IS NOT NULL OR next_agent IS NOT NULL;
        here := following.step;
        next_step := NULL;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._next_stop(bigint, integer, boolean, jsonb, text[]) IS 'The next main step after a given one that needs somebody (next_step NULL: the main line is finished), what it waits for if it cannot start, and the branches that open on the way.';

CREATE FUNCTION vibe._wanted(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(task.deliverables, (SELECT c.deliverables FROM vibe.campaigns c WHERE c.id = task.campaign_id)));
END
$$;
COMMENT ON FUNCTION vibe._wanted(vibe.tasks) IS 'The deliverables wanted of a task: its own list, else its campaign''s.';

-- The status that the task's finished main steps stand for, when what it says now (blocked, revision_needed)
-- is no longer true.
CREATE FUNCTION vibe._earned_status(task vibe.tasks)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce((
            SELECT o.status
              FROM vibe.runs r
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.step = r.step
              JOIN vibe.output_statuses o ON o.output_dir = s.output_dir
             WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded
             ORDER BY r.step DESC LIMIT 1), 'backlog'));
END
$$;
COMMENT ON FUNCTION vibe._earned_status(vibe.tasks) IS 'The status of the last main step that is done, backlog if none is.';

-- Tables written: work, tasks. The task's status comes from the step that was done; NULL leaves it. closed_branch
-- is the one whose end moves the task on: its run may still be open in the table.
CREATE FUNCTION vibe._move_on(
    task vibe.tasks, after_step integer, new_status text, score numeric, at timestamptz, closed_branch text DEFAULT NULL,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stop record;
    under_way text[] := ARRAY(SELECT w.branch FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '');
BEGIN
    SELECT * INTO stop FROM vibe._next_stop(task.pipeline_version_id, after_step, under_way <> '{}', vibe._wanted(task),
        under_way || array_remove(ARRAY[closed_branch], NULL) || task.cancelled_branches || ARRAY(SELECT r.branch FROM vibe.runs r WHERE r.task_id = task.id AND r.branch <> ''
                              AND r.outcome = 'done' AND NOT r.superseded));
    IF stop.opened <> '{}' THEN
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (stop.opened);
    END IF;
    IF stop.next_step IS NULL THEN
        DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    ELSE
        PERFORM vibe._set_main_line(task, stop.next_step, stop.next_agent, stop.waiting_for, NULL, at);
    END IF;
    task_completed := stop.next_step IS NULL AND under_way = '{}' AND stop.opened = '{}';
    task_status := CASE WHEN task_completed THEN 'completed' ELSE coalesce(new_status, task.status) END;
    next_step := stop.next_step;
    next_agent := stop.next_agent;
    UPDATE vibe.tasks t
       SET status = task_status,
           step = stop.next_step,
           quality_score = coalesce(score, t.quality_score),
           rejection_notes = CASE WHEN task_status = 'revision_needed' THEN t.rejection_notes END,
           ended_at = CASE WHEN task_completed THEN at END,
           updated_at = at
     WHERE t.id = task.id;
END
$$;
COMMENT ON FUNCTION vibe._move_on(vibe.tasks, integer, text, numeric, timestamptz, text) IS 'Opens what follows a main step: the next step, branches, or the task''s end.';

CREATE FUNCTION vibe._set_main_line(
    task vibe.tasks, step integer, agent_name text, waiting_for text, note text, at timestamptz
)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    placed bigint;
BEGIN
    INSERT INTO vibe.work AS w (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
    VALUES (task.id, '', coalesce(task.campaign_id, 0), step, agent_name,
            CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for,
            vibe._priority_rank(task.priority), at, note)
    ON CONFLICT ON CONSTRAINT work_pkey DO UPDATE SET
        step = excluded.step, agent_name = excluded.agent_name, state = excluded.state,
        waiting_for = excluded.waiting_for, run_id = NULL, priority = excluded.priority, attempts = 0, retries = 0,
        ready_at = NULL, since = excluded.since,
        -- What a person said to a step that had to wait for its branches is still said to it.
        note = CASE WHEN w.waiting_for = 'branches' AND w.step = excluded.step THEN w.note ELSE excluded.note END
    RETURNING w.task_id INTO placed;
    PERFORM vibe._tell_approval(task, '', step, NULL) WHERE waiting_for = 'approval';
    RETURN placed;
END
$$;
COMMENT ON FUNCTION vibe._set_main_line(vibe.tasks, integer, text, text, text, timestamptz) IS 'Puts the main line of a task at a step, ready or waiting, with fresh counts.';

-- Tables written: work, tasks. What follows a run that was done; the run itself is closed by the caller.
CREATE FUNCTION vibe._advance(
    task vibe.tasks, run vibe.runs, score numeric, at timestamptz,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    done_step vibe.pipeline_steps;
    new_status text;
BEGIN
    SELECT * INTO STRICT done_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    IF done_step.gate = 'human' THEN
        UPDATE vibe.work w SET state = 'waiting', waiting_for = 'approval', run_id = NULL, attempts = 0, retries = 0, since = at
         WHERE w.task_id = task.id AND w.branch = run.branch;
        PERFORM vibe._tell_approval(task, run.branch, run.step, run.id);
    END IF;
    IF run.branch = '' THEN
        new_status := coalesce(
            (SELECT o.status FROM vibe.output_statuses o WHERE o.output_dir = done_step.output_dir),
            CASE WHEN task.status IN ('revision_needed', 'blocked') THEN vibe._earned_status(task) END);
        IF done_step.gate IS NULL THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed
              FROM vibe._move_on(task, run.step, new_status, score, at);
            RETURN;
        END IF;
        UPDATE vibe.tasks t
           SET status = coalesce(new_status, t.status), quality_score = coalesce(score, t.quality_score),
               rejection_notes = NULL, updated_at = at
         WHERE t.id = task.id
        RETURNING t.status INTO task_status;
        task_completed := false;
        RETURN;
    END IF;
    task_status := task.status;
    task_completed := false;
    IF done_step.gate IS NULL THEN
        SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, run.branch, at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._advance(vibe.tasks, vibe.runs, numeric, timestamptz) IS 'What follows a run that was done: a gate, the next step, the convergence, or the task''s end.';

CREATE FUNCTION vibe._has_open_branches(task_id bigint)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = _has_open_branches.task_id AND w.branch <> '');
END;
COMMENT ON FUNCTION vibe._has_open_branches(bigint) IS 'Whether a branch of the task is still to be done.';

-- Tables written: work, tasks. The last branch opens the main step that waited for it, or ends the task.
CREATE FUNCTION vibe._close_branch(
    task vibe.tasks, branch text, at timestamptz,
    OUT next_step integer, OUT next_agent text, OUT task_status text, OUT task_completed boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    main_line vibe.work;
BEGIN
    DELETE FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _close_branch.branch;
    task_status := task.status;
    task_completed := false;
    IF vibe._has_open_branches(task.id) THEN
        RETURN;
    END IF;
    SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    -- A main line that is not done but has no work was lost: the sweep gives it back.
    IF NOT FOUND AND task.step IS NULL THEN
        task_status := 'completed';
        task_completed := true;
        UPDATE vibe.tasks t SET status = 'completed', step = NULL, ended_at = at, updated_at = at WHERE t.id = task.id;
    ELSIF main_line.waiting_for = 'branches' THEN
        SELECT * INTO next_step, next_agent, task_status, task_completed
          FROM vibe._move_on(task, main_line.step - 1, NULL, NULL, at, _close_branch.branch);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._close_branch(vibe.tasks, text, timestamptz) IS 'Ends a branch: the last one opens the converging step, or ends the task.';
-- What follows a run that was not done.

-- Full jitter: any time up to base * 2^(n-1), so that runs which failed together do not return together.
CREATE FUNCTION vibe._back_off(retries integer)
    RETURNS interval
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT random() * least(vibe._setting('retry_max'),
                            vibe._setting('retry_base') * power(2, least(greatest(retries, 1) - 1, 20)));
END;
COMMENT ON FUNCTION vibe._back_off(integer) IS 'How long the n-th retry in a row waits.';

-- Tables written: work, tasks, activities. What follows a run that was not done; the run is closed by the caller.
CREATE FUNCTION vibe._retreat(
    task vibe.tasks, run vibe.runs, outcome text, error text, is_permanent boolean, retry_after interval, at timestamptz,
    OUT waiting_for text, OUT ready_at timestamptz
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    class vibe.outcomes;
    item vibe.work;
    step vibe.pipeline_steps;
BEGIN
    SELECT * INTO STRICT class FROM vibe.outcomes o WHERE o.outcome = _retreat.outcome;
    SELECT * INTO STRICT item FROM vibe.work w WHERE w.task_id = run.task_id AND w.branch = run.branch;
    SELECT * INTO STRICT step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
    item.attempts := item.attempts + class.uses_attempt::integer;
    item.retries := least(item.retries + 1, 30000);
    IF class.then_step = 'waits_for_person' OR is_permanent
       OR (class.uses_attempt AND item.attempts >= step.max_attempts) THEN
        waiting_for := 'person';
    -- A step that keeps losing its supervisor must not go round as fast as it can.
    ELSIF class.then_step = 'retries' OR item.retries > 3 THEN
        ready_at := at + coalesce(retry_after, vibe._back_off(item.retries));
        waiting_for := CASE WHEN ready_at > at THEN 'back_off' END;
    END IF;
    UPDATE vibe.work w
       SET state = CASE WHEN _retreat.waiting_for IS NULL THEN 'ready' ELSE 'waiting' END,
           waiting_for = _retreat.waiting_for,
           ready_at = CASE WHEN _retreat.waiting_for = 'back_off' THEN _retreat.ready_at END,
           run_id = NULL, attempts = item.attempts, retries = item.retries, since = at
     WHERE w.task_id = run.task_id AND w.branch = run.branch;
    PERFORM vibe._tell_crash(task, run, outcome, error);
    IF waiting_for = 'person' THEN
        PERFORM vibe._block(task, run.branch, format('%s: %s', class.description, coalesce(error, 'no message')), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._retreat(vibe.tasks, vibe.runs, text, text, boolean, interval, timestamptz) IS 'What follows a run that was not done, by its outcome class: ready again, a back-off, or a person.';

-- A blocked branch leaves the main line, and so the task's status, alone.
CREATE FUNCTION vibe._block(task vibe.tasks, branch text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF branch = '' AND task.status <> 'blocked' THEN
        UPDATE vibe.tasks t SET status = 'blocked', updated_at = at WHERE t.id = task.id;
    END IF;
    RETURN vibe._record('task_blocked', format('Task "%s" needs a person: %s', left(task.title, 200), left(reason, 1000)),
        jsonb_build_object('branch', branch), task.project_id, task.campaign_id, task.id);
END
$$;
COMMENT ON FUNCTION vibe._block(vibe.tasks, text, text, timestamptz) IS 'Marks a task as waiting for a person and says why in the feed.';
-- Tasks as a dashboard lists them. Pages are keyset pages: the last id of one page is after_id of the next.

CREATE TYPE vibe.task_info AS (
    id bigint, project_id bigint, campaign_id bigint, campaign_slug text, number integer, title text, slug text,
    keyword text, description text, status text, priority text, pipeline_slug text, pipeline_version integer,
    step integer, step_label text, agent_name text, state text, waiting_for text, ready_at timestamptz, run_id bigint,
    open_branch_count bigint, quality_score numeric, revision_count integer, rejection_notes text, deliverables jsonb,
    assignees text[], subscribers text[], idempotency_key text,
    created_at timestamptz, updated_at timestamptz, ended_at timestamptz);
COMMENT ON TYPE vibe.task_info IS 'A task, and where its main line stands: step, the agent that it is for, state (ready, held by run_id, waiting for waiting_for), as functions return it.';

CREATE FUNCTION vibe._task_infos(ids bigint[])
    RETURNS SETOF vibe.task_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.project_id, t.campaign_id, c.slug, t.number, t.title, t.slug,
           t.keyword, t.description, t.status, t.priority, p.slug, v.number,
           t.step, s.label, w.agent_name, w.state, w.waiting_for, w.ready_at, w.run_id,
           (SELECT count(*) FROM vibe.work b WHERE b.task_id = t.id AND b.branch <> ''),
           t.quality_score, t.revision_count, t.rejection_notes, t.deliverables,
           ARRAY(SELECT a.agent_name FROM vibe.task_assignees a WHERE a.task_id = t.id ORDER BY a.agent_name),
           ARRAY(SELECT u.name FROM vibe.task_subscribers u WHERE u.task_id = t.id ORDER BY u.name), t.idempotency_key,
           t.created_at, t.updated_at, t.ended_at
      FROM vibe.tasks t
      JOIN vibe.pipeline_versions v ON v.id = t.pipeline_version_id
      JOIN vibe.pipelines p ON p.id = v.pipeline_id
      LEFT JOIN vibe.campaigns c ON c.id = t.campaign_id
      LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = ''
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = '' AND s.step = t.step
     WHERE t.id = ANY (ids)
     ORDER BY t.id DESC;
END;
COMMENT ON FUNCTION vibe._task_infos(bigint[]) IS 'These tasks, newest first.';

CREATE FUNCTION vibe.get_task(id bigint)
    RETURNS SETOF vibe.task_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT * FROM vibe._task_infos(ARRAY[get_task.id]);
END;
COMMENT ON FUNCTION vibe.get_task(bigint) IS 'One task, or no row.';

-- One query for each index that a page can be a range of. Statistics must not talk the planner out of that range: the
-- ranges are comparisons of rows, so that the primary key, which leads past all that other campaigns have, is in no
-- right order; and it may not sort, which would read a whole campaign for a page. Without a project, a status is
-- looked for in each project: there are few, and an index more would be written at every step.
CREATE FUNCTION vibe._task_page(project_id bigint, campaign_id bigint, status text, max_rows integer, after_id bigint)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
DECLARE
    project bigint := _task_page.project_id;
    campaign bigint := _task_page.campaign_id;
    wanted text := _task_page.status;
    below bigint := coalesce(after_id, 9223372036854775807);
BEGIN
    IF campaign IS NOT NULL AND wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE (t.campaign_id, t.id) < (campaign, below) AND t.campaign_id >= campaign
            ORDER BY t.campaign_id DESC, t.id DESC LIMIT max_rows);
    ELSIF campaign IS NOT NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE (t.campaign_id, t.status, t.id) < (campaign, wanted, below) AND (t.campaign_id, t.status) >= (campaign, wanted)
            ORDER BY t.campaign_id DESC, t.status DESC, t.id DESC LIMIT max_rows);
    ELSIF project IS NOT NULL AND wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE (t.project_id, t.id) < (project, below) AND t.project_id >= project
            ORDER BY t.project_id DESC, t.id DESC LIMIT max_rows);
    ELSIF wanted IS NULL THEN
        RETURN ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id < below ORDER BY t.id DESC LIMIT max_rows);
    END IF;
    RETURN ARRAY(SELECT t.id FROM vibe.projects p
        CROSS JOIN LATERAL (
            SELECT t.id FROM vibe.tasks t
             WHERE (t.project_id, t.status, t.id) < (p.id, wanted, below) AND (t.project_id, t.status) >= (p.id, wanted)
             ORDER BY t.project_id DESC, t.status DESC, t.id DESC LIMIT max_rows) t
        WHERE p.id = coalesce(project, p.id)
        ORDER BY t.id DESC LIMIT max_rows);
END
$$;
COMMENT ON FUNCTION vibe._task_page(bigint, bigint, text, integer, bigint) IS 'The ids of one page of tasks, newest first.';

CREATE FUNCTION vibe.list_tasks(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, status text DEFAULT NULL,
    max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._check_page(list_tasks.max_rows);
    IF list_tasks.status IS NOT NULL THEN
        PERFORM vibe._check_task_status('status', list_tasks.status);
    END IF;
    -- Of a campaign in another project nothing is listed, and nothing is looked through for it.
    IF EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_tasks.campaign_id AND c.project_id <> list_tasks.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(vibe._task_page(list_tasks.project_id, list_tasks.campaign_id,
        list_tasks.status, list_tasks.max_rows, list_tasks.after_id));
END
$$;
COMMENT ON FUNCTION vibe.list_tasks(bigint, bigint, text, integer, bigint) IS 'Tasks, newest first: of a project, of a campaign, in one status, or all. max_rows is 1 to 1000; the last id of a page is after_id of the next. Raises VB030.';

CREATE FUNCTION vibe.count_tasks_by_status(project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL)
    RETURNS TABLE (status text, is_final boolean, task_count bigint)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF count_tasks_by_status.campaign_id IS NOT NULL THEN
        RETURN QUERY
            SELECT s.status, s.is_final, (SELECT count(*) FROM vibe.tasks t
                WHERE t.campaign_id = count_tasks_by_status.campaign_id AND t.status = s.status
                  AND t.project_id = coalesce(count_tasks_by_status.project_id, t.project_id))
              FROM vibe.task_statuses s ORDER BY s.is_final, s.status;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT s.status, s.is_final, (SELECT coalesce(sum(n.n), 0)::bigint FROM vibe.projects p
            CROSS JOIN LATERAL (SELECT count(*) AS n FROM vibe.tasks t WHERE t.project_id = p.id AND t.status = s.status) n
            WHERE p.id = coalesce(count_tasks_by_status.project_id, p.id))
          FROM vibe.task_statuses s ORDER BY s.is_final, s.status;
END
$$;
COMMENT ON FUNCTION vibe.count_tasks_by_status(bigint, bigint) IS 'How many tasks of a project, of a campaign, or of all are in each status; one row per status, also where there is none.';

-- What is wanted of each task: its own list, else its campaign's, else all that its pipeline offers.
CREATE FUNCTION vibe.tasks_with_incomplete_deliverables(campaign_id bigint)
    RETURNS TABLE (task_id bigint, title text, status text, deliverable text, branch text, state text, waiting_for text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = tasks_with_incomplete_deliverables.campaign_id) THEN
        PERFORM vibe._campaign_not_found(tasks_with_incomplete_deliverables.campaign_id);
    END IF;
    RETURN QUERY
        SELECT t.id, t.title, t.status, d.deliverable, s.branch, w.state, w.waiting_for
          FROM vibe.tasks t
          JOIN vibe.campaigns c ON c.id = t.campaign_id
         CROSS JOIN LATERAL vibe._wanted_deliverables(coalesce(t.deliverables, c.deliverables), t.pipeline_version_id) d
          LEFT JOIN vibe.pipeline_steps s
            ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> '' AND s.deliverable = d.deliverable
          LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = s.branch
         WHERE t.campaign_id = tasks_with_incomplete_deliverables.campaign_id AND t.status <> 'cancelled'
           AND w.state IS DISTINCT FROM 'held'
           AND (w.task_id IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM vibe.runs r
                 WHERE r.task_id = t.id AND r.branch = s.branch AND r.outcome = 'done' AND NOT r.superseded))
         ORDER BY t.id, d.deliverable, s.branch;
END
$$;
COMMENT ON FUNCTION vibe.tasks_with_incomplete_deliverables(bigint) IS 'Deliverables of a campaign''s tasks that are wanted, not done and not running, one row each; state and waiting_for say where its branch stands (NULL: not begun), branch is NULL where the pipeline has none for it. Cancelled tasks are left out. Raises VB002.';

CREATE FUNCTION vibe._wanted_deliverables(wanted jsonb, version_id bigint)
    RETURNS TABLE (deliverable text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT DISTINCT s.deliverable FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = version_id AND s.deliverable IS NOT NULL AND wanted IS NULL
    UNION
    SELECT k.key FROM jsonb_object_keys(CASE WHEN jsonb_typeof(wanted) = 'object' THEN wanted ELSE '{}' END) k(key)
     WHERE vibe._wants(wanted, k.key)
    UNION
    SELECT e.value #>> '{}' FROM jsonb_array_elements(CASE WHEN jsonb_typeof(wanted) = 'array' THEN wanted ELSE '[]' END) e(value)
     WHERE jsonb_typeof(e.value) = 'string';
END;
COMMENT ON FUNCTION vibe._wanted_deliverables(jsonb, bigint) IS 'The names of wanted deliverables; where no list says, all that the pipeline offers.';
-- What a run used, and what it counts against ceilings.

CREATE FUNCTION vibe._computed_cost(run_id bigint, usage jsonb)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    input_tokens numeric := coalesce(vibe._count(usage -> 'input_tokens'), 0);
    output_tokens numeric := coalesce(vibe._count(usage -> 'output_tokens'), 0);
    cache_read_tokens numeric := coalesce(vibe._count(usage -> 'cache_read_tokens'), 0);
    cache_write_tokens numeric := coalesce(vibe._count(usage -> 'cache_write_tokens'), 0);
    price vibe.prices;
BEGIN
    -- No tokens were told: nothing is known, which is not the same as nothing.
    IF input_tokens + output_tokens + cache_read_tokens + cache_write_tokens = 0 THEN
        RETURN NULL;
    END IF;
    SELECT p.* INTO price
      FROM vibe.runs r
      JOIN vibe.prices p ON p.model IN (usage ->> 'model', r.model) AND p.valid_from <= r.claimed_at
     WHERE r.id = _computed_cost.run_id
     ORDER BY p.model = usage ->> 'model' DESC NULLS LAST, p.valid_from DESC LIMIT 1;
    RETURN round((input_tokens * price.input_usd + output_tokens * price.output_usd
        + cache_read_tokens * price.cache_read_usd + cache_write_tokens * price.cache_write_usd) / 1e6, 8);
END
$$;
COMMENT ON FUNCTION vibe._computed_cost(bigint, jsonb) IS 'What the tokens that a record tells of cost by the price list at the time of the claim: by the model that the agent reported, else by the run''s. NULL without tokens or price.';

-- By the names of the counters, as a supervisor has them.
CREATE FUNCTION vibe._price_told(model text, at timestamptz)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_build_object('input_tokens', p.input_usd, 'output_tokens', p.output_usd,
                   'cache_read_tokens', p.cache_read_usd, 'cache_write_tokens', p.cache_write_usd)
          FROM vibe.prices p WHERE p.model = _price_told.model AND p.valid_from <= at
         ORDER BY p.valid_from DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._price_told(text, timestamptz) IS 'The price of a model''s tokens as a run''s supervisor is told it, so that it can keep to the run''s budget; NULL where there is none.';

CREATE FUNCTION vibe._never_ran(outcome text, started_at timestamptz)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT outcome = 'exec_error' OR (outcome = 'cancelled' AND started_at IS NULL);
END;
COMMENT ON FUNCTION vibe._never_ran(text, timestamptz) IS 'Whether a run ended before there was an agent: it cost nothing.';

CREATE FUNCTION vibe._counted(cost_usd numeric, reserved_usd numeric, outcome text, started_at timestamptz)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(cost_usd, CASE WHEN vibe._never_ran(outcome, started_at) THEN 0 ELSE reserved_usd END, 0);
END;
COMMENT ON FUNCTION vibe._counted(numeric, numeric, text, timestamptz) IS 'What a run counts against ceilings: its cost, or its reserve while that is unknown.';

-- Tables written: usage_entries, usage_totals. One at a time, and nobody waits: who comes second leaves it to the
-- next. So nobody else has a total locked, in whatever transaction this happens.
CREATE FUNCTION vibe._merge_usage(most integer)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    merged bigint := 0;
BEGIN
    IF NOT vibe._try_lock_limit('usage') THEN
        RETURN 0;
    END IF;
    WITH gone AS (
        DELETE FROM vibe.usage_entries e
         WHERE e.run_id IN (SELECT x.run_id FROM vibe.usage_entries x ORDER BY x.run_id LIMIT most)
        RETURNING e.*
    ), added AS (
        INSERT INTO vibe.usage_totals AS t (campaign_id, project_id, agent_name, provider, model, branch, step, day, runs, unknown_cost_runs,
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd)
        SELECT g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day, count(*), sum(g.unknown_cost_runs),
               sum(g.input_tokens), sum(g.output_tokens), sum(g.cache_read_tokens), sum(g.cache_write_tokens), sum(g.cost_usd), sum(g.counted_usd)
          FROM gone g
         GROUP BY g.campaign_id, g.project_id, g.agent_name, g.provider, g.model, g.branch, g.step, g.day
        ON CONFLICT ON CONSTRAINT usage_totals_pkey DO UPDATE
           SET runs = t.runs + excluded.runs, unknown_cost_runs = t.unknown_cost_runs + excluded.unknown_cost_runs,
               input_tokens = t.input_tokens + excluded.input_tokens, output_tokens = t.output_tokens + excluded.output_tokens,
               cache_read_tokens = t.cache_read_tokens + excluded.cache_read_tokens,
               cache_write_tokens = t.cache_write_tokens + excluded.cache_write_tokens,
               cost_usd = coalesce(t.cost_usd + excluded.cost_usd, t.cost_usd, excluded.cost_usd),
               counted_usd = t.counted_usd + excluded.counted_usd
    )
    SELECT count(*) INTO merged FROM gone;
    RETURN merged;
END
$$;
COMMENT ON FUNCTION vibe._merge_usage(integer) IS 'Adds so many entries of ended runs to the totals; returns how many.';

-- Tables written: usage_entries, usage_totals, budget_crossings, activities. In the transaction that ends the run,
-- whoever that is; every 256th run takes the entries before it along.
CREATE FUNCTION vibe._count_usage()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = NEW.task_id;
    INSERT INTO vibe.usage_entries (run_id, project_id, campaign_id, agent_name, provider, model, branch, step, day, unknown_cost_runs,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, counted_usd)
    VALUES (NEW.id, coalesce(task.project_id, 0), NEW.campaign_id, NEW.agent_name, coalesce(NEW.provider, ''), coalesce(NEW.model, ''), NEW.branch, NEW.step,
        vibe._day(NEW.claimed_at), (NEW.cost_usd IS NULL AND NOT vibe._never_ran(NEW.outcome, NEW.started_at))::integer,
        coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0), coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
        NEW.cost_usd, vibe._counted(NEW.cost_usd, NEW.reserved_usd, NEW.outcome, NEW.started_at));
    IF NEW.cost_usd > NEW.reserved_usd THEN
        PERFORM vibe._record('budget_overrun', format('Run %s of %s cost %s USD; %s were reserved.', NEW.id,
                coalesce('task "' || left(task.title, 200) || '"', 'agent "' || NEW.agent_name || '"'), trim_scale(NEW.cost_usd), NEW.reserved_usd), jsonb_build_object('run_id', NEW.id, 'cost_usd', trim_scale(NEW.cost_usd), 'reserved_usd', NEW.reserved_usd),
            task.project_id, task.campaign_id, task.id);
    END IF;
    IF NEW.reserved_usd IS NOT NULL AND task.ended_at IS NULL
       AND EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = NEW.campaign_id AND c.task_budget_usd IS NOT NULL) THEN
        PERFORM vibe._note_crossing(c, NEW.reserved_usd, vibe.clock()) FROM vibe._task_ceilings(ARRAY[task.id]) c;
    END IF;
    IF NEW.id % 256 = 0 THEN
        PERFORM vibe._merge_usage(1024);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._count_usage() IS 'Counts what a run used at its end, once.';

-- UPDATE only: a restore inserts runs that have ended, and their entries and totals beside them.
CREATE TRIGGER usage_is_counted_at_the_end
    AFTER UPDATE OF ended_at ON vibe.runs
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.kind <> 'notify')
    EXECUTE FUNCTION vibe._count_usage();

CREATE FUNCTION vibe._day(at timestamptz)
    RETURNS date
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (at AT TIME ZONE 'UTC')::date;
END;
COMMENT ON FUNCTION vibe._day(timestamptz) IS 'The day that a run claimed at this time counts in: UTC, whatever the session''s time zone.';

-- Tables written: runs, tasks, usage_entries, usage_totals. Locks, in order: the tasks, ids ascending (those that
-- are busy are left for the next time). Runs of open tasks stay: later steps read their results.
CREATE FUNCTION vibe._fold_and_prune_runs(older_than interval, most integer DEFAULT 1000)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    old bigint[];
    locked bigint[];
    pruned bigint;
BEGIN
    PERFORM vibe._merge_usage(10000);
    old := ARRAY(SELECT r.id FROM vibe.runs r LEFT JOIN vibe.tasks t ON t.id = r.task_id
                  WHERE r.ended_at < at - older_than AND (t.ended_at < at - older_than OR r.task_id IS NULL) ORDER BY r.id LIMIT most);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
                     WHERE t.id IN (SELECT r.task_id FROM vibe.runs r WHERE r.id = ANY (old)) AND t.ended_at < at - older_than
                     ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    WITH gone AS (
        DELETE FROM vibe.runs r WHERE r.id = ANY (old) AND (r.task_id = ANY (locked) OR r.task_id IS NULL)
        RETURNING r.task_id, vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at) AS counted_usd
    ), noted AS (
        UPDATE vibe.tasks t SET folded_usd = t.folded_usd + g.counted_usd
          FROM (SELECT g.task_id, sum(g.counted_usd) AS counted_usd FROM gone g GROUP BY g.task_id) g
         WHERE t.id = g.task_id AND g.counted_usd > 0
    )
    SELECT count(*) INTO pruned FROM gone;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._fold_and_prune_runs(interval, integer) IS 'Adds entries of ended runs to the totals, and deletes up to so many runs that ended longer ago, of tasks that did too or of chores; returns how many were deleted. No sum of usage changes.';
-- The ends of runs, whoever decides them, and the work that they held. Called with the task rows locked.

-- A hand-held run has no process of ours, so its end is its close.
CREATE FUNCTION vibe._close_run(run_id bigint, outcome text, error text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    closed bigint;
BEGIN
    UPDATE vibe.runs r
       SET outcome = _close_run.outcome, error = left(_close_run.error, 4000), closed_at = at,
           ended_at = CASE WHEN r.started_by = 'hand' THEN at ELSE r.ended_at END
     WHERE r.id = _close_run.run_id AND r.closed_at IS NULL
    RETURNING r.id INTO closed;
    RETURN closed;
END
$$;
COMMENT ON FUNCTION vibe._close_run(bigint, text, text, timestamptz) IS 'Closes a run that was not done: its token writes no more. Returns its id, or nothing if it was closed already.';

-- Numbers in a record come from an agent: whatever is no finite number of the right sign is left out.
CREATE FUNCTION vibe._count(value jsonb)
    RETURNS bigint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e15
        THEN round((value #>> '{}')::numeric)::bigint END;
END;
COMMENT ON FUNCTION vibe._count(jsonb) IS 'A JSON number as a count; NULL where it is none.';

CREATE FUNCTION vibe._small_count(value jsonb)
    RETURNS integer
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN vibe._count(value) <= 2147483647 THEN vibe._count(value)::integer END;
END;
COMMENT ON FUNCTION vibe._small_count(jsonb) IS 'A JSON number as an integer that is not negative; NULL where it is none.';

CREATE FUNCTION vibe._amount(value jsonb)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric BETWEEN 0 AND 1e9
        THEN round((value #>> '{}')::numeric, 8) END;
END;
COMMENT ON FUNCTION vibe._amount(jsonb) IS 'A JSON number as an amount of money; NULL where it is none.';

-- The one door for how a run ended: its verdict (how it was worth, NULL if that was decided before) and its
-- record (how its process ended, NULL if it has not), in one write where both come together. What is decided stays.
CREATE FUNCTION vibe._end_run(run_id bigint, verdict vibe.runs, record jsonb, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ended vibe.runs;
    reported numeric := vibe._amount(record #> '{usage,cost_usd}');
    computed numeric := CASE WHEN reported IS NULL THEN vibe._computed_cost(_end_run.run_id, record -> 'usage') END;
BEGIN
    UPDATE vibe.runs r
       SET outcome = coalesce(r.outcome, verdict.outcome),
           closed_at = coalesce(r.closed_at, at),
           error = coalesce(r.error, verdict.error),
           answer = coalesce(r.answer, verdict.answer),
           summary = coalesce(r.summary, left(verdict.summary, 10000)),
           output = coalesce(r.output, verdict.output),
           output_path = coalesce(r.output_path, verdict.output_path),
           quality_score = coalesce(r.quality_score, verdict.quality_score),
           notes = coalesce(r.notes, verdict.notes),
           superseded = r.superseded OR coalesce(verdict.superseded, false),
           ended_at = CASE WHEN r.started_by = 'hand' OR record IS NOT NULL THEN coalesce(r.ended_at, at) END,
           exit_code = vibe._small_count(record -> 'exit_code'),
           exit_signal = vibe._small_count(record -> 'exit_signal'),
           input_tokens = coalesce(vibe._count(record #> '{usage,input_tokens}'), r.input_tokens),
           output_tokens = coalesce(vibe._count(record #> '{usage,output_tokens}'), r.output_tokens),
           cache_read_tokens = coalesce(vibe._count(record #> '{usage,cache_read_tokens}'), r.cache_read_tokens),
           cache_write_tokens = coalesce(vibe._count(record #> '{usage,cache_write_tokens}'), r.cache_write_tokens),
           cost_usd = coalesce(reported, computed, r.cost_usd),
           cost_source = CASE WHEN reported IS NOT NULL THEN 'reported' WHEN computed IS NOT NULL THEN 'computed' ELSE r.cost_source END,
           model = coalesce(r.model, left(record #>> '{usage,model}', 200)),
           session_id = coalesce(left(record ->> 'session', 200), r.session_id),
           output_tail = right(record ->> 'stdout_tail', 65536),
           error_tail = right(record ->> 'stderr_tail', 65536),
           leftover_processes = vibe._small_count(record -> 'leftover_processes')
     WHERE r.id = _end_run.run_id AND r.ended_at IS NULL
    RETURNING r.* INTO ended;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION vibe._end_run(bigint, vibe.runs, jsonb, timestamptz) IS 'Writes a run''s verdict, its process''s end, or both: exit, usage, cost, tails.';

-- By the work row's key: there is no index on run_id, which every claim would have to write.
CREATE FUNCTION vibe._free_work(run_ids bigint[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    freed bigint;
BEGIN
    UPDATE vibe.work w SET state = 'ready', run_id = NULL, since = at
      FROM vibe.runs r
     WHERE r.id = ANY (run_ids) AND w.task_id = r.task_id AND w.branch = r.branch AND w.run_id = r.id;
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;
COMMENT ON FUNCTION vibe._free_work(bigint[], timestamptz) IS 'Makes the steps ready that these runs hold.';

-- Tables written: work, runs. Steps go back to ready without using up an attempt; processes are told to end.
CREATE FUNCTION vibe._put_back(run_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._free_work(run_ids, at);
    RETURN (SELECT count(vibe._close_run(i, 'cancelled', reason, at)) FROM unnest(run_ids) i);
END
$$;
COMMENT ON FUNCTION vibe._put_back(bigint[], text, timestamptz) IS 'Closes runs as cancelled and makes their steps ready again.';

-- Tables written: work, runs, tasks, activities. The tasks are locked by the caller, ids ascending.
CREATE FUNCTION vibe._cancel_tasks(task_ids bigint[], reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    held bigint[];
    stopped bigint;
BEGIN
    WITH gone AS (
        DELETE FROM vibe.work w WHERE w.task_id = ANY (task_ids) RETURNING w.run_id
    )
    SELECT array_agg(g.run_id ORDER BY g.run_id) INTO held FROM gone g WHERE g.run_id IS NOT NULL;
    SELECT count(vibe._close_run(i, 'cancelled', reason, at)) INTO stopped FROM unnest(held) i;
    UPDATE vibe.tasks t SET status = 'cancelled', step = NULL, ended_at = at, updated_at = at
     WHERE t.id = ANY (task_ids);
    RETURN stopped;
END
$$;
COMMENT ON FUNCTION vibe._cancel_tasks(bigint[], text, timestamptz) IS 'Cancels locked tasks: drops their work, closes their runs. Returns how many runs were stopped.';
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

-- Tables written: work, runs. Everything that belongs to the task at or after a main step: what runs is stopped
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
    -- Also what a dropped branch had made and nobody had approved: its gate must not pass as done.
    UPDATE vibe.runs r
       SET superseded = true, notes = CASE WHEN rerun_branches AND r.branch <> '' THEN _supersede.notes ELSE r.notes END
     WHERE r.task_id = task.id AND NOT r.superseded
       AND (r.branch = '' AND r.step >= target_step OR r.branch = ANY (CASE WHEN rerun_branches THEN triggered ELSE dropped END));
    RETURN cardinality(stopped);
END
$$;
COMMENT ON FUNCTION vibe._supersede(vibe.tasks, integer, text, boolean, bigint, timestamptz) IS 'Stops and supersedes whatever a task has at or after a main step.';

-- Tables written: work, runs, tasks, activities. Rewinds the main line. Where the target step has to wait for
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
-- One branch alone: opened again, sent back for another round, and what of the main line waits for it then.

CREATE FUNCTION vibe._branch_step(task vibe.tasks, branch text)
    RETURNS vibe.pipeline_steps
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    step vibe.pipeline_steps;
BEGIN
    SELECT * INTO step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = _branch_step.branch AND s.branch <> '';
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, _branch_step.branch, NULL, format('Its pipeline has the branches: %s.', coalesce(
            (SELECT string_agg(s.branch, ', ' ORDER BY s.branch) FROM vibe.pipeline_steps s
              WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> ''), 'none')));
    END IF;
    RETURN step;
END
$$;
COMMENT ON FUNCTION vibe._branch_step(vibe.tasks, text) IS 'The one step of a branch of the task''s pipeline. Raises VB007.';

CREATE FUNCTION vibe._is_past(task vibe.tasks, step integer)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT task.step IS NULL OR _is_past.step < task.step;
END;
COMMENT ON FUNCTION vibe._is_past(vibe.tasks, integer) IS 'Whether the main line has left a step behind, so that branches triggered by it are due.';

CREATE FUNCTION vibe._must_wait(task vibe.tasks, step integer)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN vibe._has_open_branches(task.id) AND EXISTS (
        SELECT 1 FROM vibe.pipeline_versions v WHERE v.id = task.pipeline_version_id AND _must_wait.step >= v.convergence_step);
END
$$;
COMMENT ON FUNCTION vibe._must_wait(vibe.tasks, integer) IS 'Whether a main step has to wait for branches that are open.';

-- Tables written: work. A main step that has not begun waits for a branch that was opened late; one that has, goes
-- on to its end, with its retries, and what follows it waits.
CREATE FUNCTION vibe._open_branch(task vibe.tasks, step vibe.pipeline_steps, waiting_for text, note text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    held_back bigint;
BEGIN
    INSERT INTO vibe.work AS w (task_id, branch, campaign_id, step, agent_name, state, waiting_for, priority, since, note)
    VALUES (task.id, step.branch, coalesce(task.campaign_id, 0), step.step, step.agent_name,
            CASE WHEN waiting_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for, vibe._priority_rank(task.priority), at, note)
    ON CONFLICT ON CONSTRAINT work_pkey DO UPDATE SET
        state = excluded.state, waiting_for = excluded.waiting_for, run_id = NULL, priority = excluded.priority, attempts = 0,
        retries = 0, ready_at = NULL, since = excluded.since, note = excluded.note;
    UPDATE vibe.work w SET state = 'waiting', waiting_for = 'branches', ready_at = NULL, since = at
     WHERE w.task_id = task.id AND w.branch = '' AND vibe._must_wait(task, w.step)
       AND (w.state = 'ready' OR w.waiting_for = 'back_off' OR (w.waiting_for = 'approval' AND w.agent_name IS NULL));
    GET DIAGNOSTICS held_back = ROW_COUNT;
    RETURN held_back;
END
$$;
COMMENT ON FUNCTION vibe._open_branch(vibe.tasks, vibe.pipeline_steps, text, text, timestamptz) IS 'Opens a branch, also again; a converging step that has not begun waits for it. Returns how many were held back.';

-- Tables written: tasks, work, activities. The work row is not there: the branch was cancelled.
CREATE FUNCTION vibe._reopen_branch(
    task vibe.tasks, branch text, note text, at timestamptz,
    OUT step integer, OUT agent_name text, OUT task_status text
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    branch_step vibe.pipeline_steps := vibe._branch_step(task, branch);
BEGIN
    IF task.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is %s', task.id, task.status),
            DETAIL = format('Branch %L of it was cancelled before it ended.', branch),
            HINT = CASE task.status WHEN 'completed'
                THEN format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …, branch => %L);', task.id, branch)
                ELSE 'A cancelled task stays so; create another one.' END;
    END IF;
    UPDATE vibe.tasks t SET cancelled_branches = array_remove(t.cancelled_branches, _reopen_branch.branch), updated_at = at
     WHERE t.id = task.id;
    -- One whose trigger is still ahead opens with it.
    IF vibe._is_past(task, branch_step.trigger_after_step) THEN
        PERFORM vibe._open_branch(task, branch_step, NULL, note, at);
    END IF;
    PERFORM vibe._record('branch_reopened', format('Branch "%s" of task "%s" is wanted again.', branch, left(task.title, 200)),
        jsonb_build_object('branch', branch, 'note', note), task.project_id, task.campaign_id, task.id);
    step := branch_step.step;
    agent_name := branch_step.agent_name;
    task_status := task.status;
END
$$;
COMMENT ON FUNCTION vibe._reopen_branch(vibe.tasks, text, text, timestamptz) IS 'Takes back the cancellation of a branch. Raises VB007, VB020 (the task has ended).';

-- Raises VB020 for a branch that has made nothing which could be done better.
CREATE FUNCTION vibe._last_run_of_branch(task vibe.tasks, step vibe.pipeline_steps)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    last_run bigint := (SELECT max(r.id) FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = step.branch);
BEGIN
    IF last_run IS NULL
       OR NOT vibe._is_past(task, step.trigger_after_step) AND NOT EXISTS (
           SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = step.branch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the branch has made nothing yet',
            DETAIL = format('Task %s, branch %L starts after step %s.', task.id, step.branch, step.trigger_after_step),
            HINT = format('Once it is open, SELECT * FROM vibe.retry_step(task_id => %s, branch => %L, note => …); leaves a note for its first run.', task.id, step.branch);
    END IF;
    RETURN last_run;
END
$$;
COMMENT ON FUNCTION vibe._last_run_of_branch(vibe.tasks, vibe.pipeline_steps) IS 'The newest run of a branch that is due. Raises VB020 if there is none.';

-- Tables written: work, runs, tasks, activities. The notes stay with the run that they are about, so that they
-- outlive the work row. A completed task is open again, with only this branch to do.
CREATE FUNCTION vibe._send_back_branch(
    task vibe.tasks, branch text, notes text, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    branch_step vibe.pipeline_steps := vibe._branch_step(task, branch);
    last_run bigint;
    item vibe.work;
BEGIN
    revisions := task.revision_count + 1;
    is_blocked := revisions > vibe._max_revisions(task);
    agent_name := branch_step.agent_name;
    -- The claim may be taking the row at this moment: wait for it, then see its run.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _send_back_branch.branch FOR UPDATE;
    last_run := vibe._last_run_of_branch(task, branch_step);
    PERFORM vibe._close_run(item.run_id, 'cancelled', 'superseded by a revision', at);
    UPDATE vibe.runs r SET superseded = true, notes = CASE WHEN r.id = last_run THEN _send_back_branch.notes ELSE r.notes END
     WHERE r.task_id = task.id AND r.branch = _send_back_branch.branch AND (NOT r.superseded OR r.id = last_run);
    UPDATE vibe.tasks t
       SET revision_count = revisions, cancelled_branches = array_remove(t.cancelled_branches, _send_back_branch.branch),
           status = CASE WHEN task.ended_at IS NULL THEN t.status ELSE 'revision_needed' END, ended_at = NULL, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._open_branch(task, branch_step, CASE WHEN is_blocked THEN 'person' END, NULL, at);
    PERFORM vibe._record('revision_requested', format('Revision %s of task "%s", branch "%s".', revisions, left(task.title, 200), branch),
        jsonb_build_object('notes', notes, 'branch', branch, 'revision', revisions), task.project_id, task.campaign_id, task.id);
    IF is_blocked THEN
        PERFORM vibe._block(task, branch, format('revision %s exceeds the cap of %s', revisions, vibe._max_revisions(task)), at);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._send_back_branch(vibe.tasks, text, text, timestamptz) IS 'Another round of one branch with notes: its result is superseded, what runs of it is stopped, the round is counted. Raises VB007, VB020.';
-- Locks: who holds a step, and the token that fences what a holder writes. Each verb locks the task row first. A
-- write by token checks the token under that lock, so a run that lost its step changes nothing.

CREATE FUNCTION vibe._lock_lost(run_id bigint, why text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE LOG 'vibe_orchestrator: refused a write with a token that is not valid: run %, role %, %',
        coalesce(run_id::text, 'unknown'), vibe._actor(), why;
    RAISE EXCEPTION USING
        ERRCODE = 'VB011',
        MESSAGE = 'the lock of this token is lost',
        DETAIL = why,
        HINT = 'Stop working on this step: it belongs to another run now, or to none.';
END
$$;
COMMENT ON FUNCTION vibe._lock_lost(bigint, text) IS 'Raises VB011 and says so in the server log.';

CREATE FUNCTION vibe._holds_its_step(run vibe.runs)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.task_id IS NULL THEN
        RETURN EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id = run.id);
    END IF;
    RETURN (
        SELECT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = run.task_id AND w.branch = run.branch AND w.run_id = run.id));
END
$$;
COMMENT ON FUNCTION vibe._holds_its_step(vibe.runs) IS 'Whether a run still holds the step, or the chore, it was claimed for: what every write by a run depends on.';

-- The run that a caller writes for. With a token: the run of that token, open or done and still what counts; without
-- one (operators): the run that holds the step now.
CREATE FUNCTION vibe._run_of(task_id bigint, agent_name text, lock_token text, branch text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
BEGIN
    IF lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
        SELECT r.* INTO run FROM vibe.work w JOIN vibe.runs r ON r.id = w.run_id
         WHERE w.task_id = _run_of.task_id AND w.branch = _run_of.branch;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB013',
                MESSAGE = 'nobody holds this step',
                DETAIL = format('Task %s, branch %L has no live lock.', _run_of.task_id, _run_of.branch),
                HINT = format('SELECT * FROM vibe.acquire_lock(task_id => %s, agent_name => …, branch => %L) first.', _run_of.task_id, _run_of.branch);
        END IF;
    ELSE
        SELECT * INTO run FROM vibe.runs r
         WHERE r.task_id = _run_of.task_id AND r.token_hash = vibe._token_hash(_run_of.lock_token);
        IF NOT FOUND THEN
            PERFORM vibe._lock_lost(NULL, format('The token belongs to no run of task %s.', _run_of.task_id));
        ELSIF run.branch <> _run_of.branch THEN
            PERFORM vibe._lock_lost(run.id, format('The token belongs to branch %L.', run.branch));
        ELSIF run.closed_at IS NOT NULL AND (run.answer IS NULL OR run.superseded) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s%s.', run.id, run.outcome, run.closed_at,
                CASE WHEN run.superseded THEN ' and replaced by a revision' ELSE '' END));
        ELSIF run.closed_at IS NULL AND NOT vibe._holds_its_step(run) THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
        END IF;
    END IF;
    IF run.agent_name IS DISTINCT FROM _run_of.agent_name THEN
        PERFORM vibe._wrong_agent(_run_of.agent_name, run.agent_name);
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_of(bigint, text, text, text) IS 'The run that a write is for. Raises VB011 (stale or foreign token), VB012 (another agent''s), VB013 (no live lock), VB060 (an agent without its token).';

CREATE FUNCTION vibe._wrong_agent(given text, right_one text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = given) THEN
        PERFORM vibe._agent_not_found(given);
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'VB012',
        MESSAGE = 'this step belongs to another agent',
        DETAIL = format('Agent "%s" called; the step is for "%s".', given, coalesce(right_one, 'a person')),
        HINT = 'SELECT vibe.get_task_pipeline_status(task_id) shows who does which step.';
END
$$;
COMMENT ON FUNCTION vibe._wrong_agent(text, text) IS 'Raises VB004 for an agent that is not there, else VB012.';

-- Why a work row cannot be taken by hand now; NULL when it can. Not an error: a rival simply comes second.
CREATE FUNCTION vibe._why_not(task vibe.tasks, item vibe.work, holder vibe.runs, at timestamptz)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN task.ended_at IS NOT NULL THEN 'task_' || task.status
        WHEN (SELECT c.status NOT IN ('active', 'in_revision') FROM vibe.campaigns c WHERE c.id = task.campaign_id)
            THEN 'campaign_' || (SELECT c.status FROM vibe.campaigns c WHERE c.id = task.campaign_id)
        WHEN item.task_id IS NULL THEN 'branch_not_open'
        WHEN item.state = 'held' AND (holder.started_by <> 'hand' OR holder.renewed_at + vibe._setting('lock_steal_after') > at)
            THEN 'locked'
        WHEN item.waiting_for = 'back_off' AND item.ready_at > at THEN 'waiting_for_back_off'
        WHEN item.waiting_for <> 'back_off' THEN 'waiting_for_' || item.waiting_for
        WHEN item.state <> 'held' AND EXISTS (
            SELECT 1 FROM vibe.runs r WHERE r.task_id = item.task_id AND r.branch = item.branch AND r.ended_at IS NULL)
            THEN 'previous_process_ending'
    END;
END;
COMMENT ON FUNCTION vibe._why_not(vibe.tasks, vibe.work, vibe.runs, timestamptz) IS 'The reason why a step cannot be taken by hand, NULL when it can.';

CREATE FUNCTION vibe.acquire_lock(task_id bigint, agent_name text, branch text DEFAULT '')
    RETURNS TABLE (acquired boolean, reason text, locked_by text, run_id bigint, lock_token text, lease_expires_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(acquire_lock.task_id);
    item vibe.work;
    holder vibe.runs;
    candidate vibe._candidate;
    run vibe.runs;
    token text := vibe._new_token();
BEGIN
    -- FOR UPDATE: the dispatcher's claim takes work rows without the task's lock.
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(acquire_lock.branch, '') FOR UPDATE;
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    reason := vibe._why_not(task, item, holder, at);
    candidate := vibe._candidate_by_hand(item);
    IF reason IS NULL AND item.agent_name IS DISTINCT FROM acquire_lock.agent_name THEN
        PERFORM vibe._wrong_agent(acquire_lock.agent_name, item.agent_name);
    ELSIF reason IS NULL AND item.state <> 'held'
        -- Whoever takes a step over also takes the place that its holder has in every limit.
        AND vibe._within_limits(ARRAY[candidate], at) = '{}' THEN
        reason := 'limit_reached';
    END IF;
    IF reason IS NOT NULL THEN
        acquired := false;
        locked_by := holder.agent_name;
        lease_expires_at := holder.renewed_at + vibe._setting('lease_duration');
        RETURN NEXT;
        RETURN;
    END IF;
    IF item.state = 'held' THEN
        PERFORM vibe._close_run(holder.id, 'lost', 'its lease ran out and the step was taken over', at);
    END IF;
    run := vibe._open_run(item, NULL, NULL, candidate.reserve_usd, token, at);
    RETURN QUERY SELECT true, NULL::text, run.agent_name, run.id, token, run.renewed_at + vibe._setting('lease_duration');
END
$$;
COMMENT ON FUNCTION vibe.acquire_lock(bigint, text, text) IS 'Takes a step by hand: the token in lock_token is shown once and fences every write. A rival, also one of the same agent name, gets acquired = false with the reason and the holder; a lease not renewed for vibe_orchestrator.lock_steal_after is taken over and its token is dead. Locks the task row. Raises VB003 (task), VB004 (agent), VB012 (another agent''s step), VB022.';

CREATE FUNCTION vibe._run_not_found(run_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB006',
        MESSAGE = 'run not found',
        DETAIL = format('There is no run with id %s.', coalesce(run_id::text, 'NULL')),
        HINT = 'acquire_lock() returns the id of a run; SELECT * FROM vibe.now shows what runs.';
END
$$;
COMMENT ON FUNCTION vibe._run_not_found(bigint) IS 'Raises VB006.';

CREATE FUNCTION vibe._run_by_token(run_id bigint, lock_token text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _run_by_token.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(_run_by_token.run_id);
    ELSIF lock_token IS NULL OR run.token_hash <> vibe._token_hash(lock_token) THEN
        PERFORM vibe._lock_lost(run.id, 'The token is not the one of this run.');
    END IF;
    IF run.task_id IS NULL THEN
        PERFORM vibe._lock_chore(run.id);
    ELSE
        PERFORM vibe._lock_task(run.task_id);
    END IF;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _run_by_token.run_id;
    IF run.closed_at IS NOT NULL THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
    ELSIF NOT vibe._holds_its_step(run) THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_by_token(bigint, text) IS 'The open run of that id and token, its task, or its chore, locked. Raises VB006, VB011.';

CREATE FUNCTION vibe.renew_lock(run_id bigint, lock_token text)
    RETURNS TABLE (renewed boolean, lease_expires_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs := vibe._run_by_token(renew_lock.run_id, renew_lock.lock_token);
BEGIN
    IF run.started_by = 'hand' THEN
        UPDATE vibe.runs r SET renewed_at = at WHERE r.id = run.id RETURNING r.renewed_at INTO run.renewed_at;
    END IF;
    RETURN QUERY SELECT run.started_by = 'hand', run.renewed_at + vibe._setting('lease_duration');
END
$$;
COMMENT ON FUNCTION vibe.renew_lock(bigint, text) IS 'Heartbeat of a hand-held run: its lease begins anew. A dispatched run has none (lease_expires_at NULL) and is not written. Locks the task row. Raises VB006, VB011, VB022.';

CREATE FUNCTION vibe.release_lock(task_id bigint, agent_name text, lock_token text, branch text DEFAULT '')
    RETURNS TABLE (released boolean, run_id bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(release_lock.task_id);
    run vibe.runs := vibe._run_of(task.id, release_lock.agent_name, release_lock.lock_token, coalesce(release_lock.branch, ''));
BEGIN
    IF run.closed_at IS NOT NULL THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
    END IF;
    PERFORM vibe._put_back(ARRAY[run.id], 'released by its holder', at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT true, run.id;
END
$$;
COMMENT ON FUNCTION vibe.release_lock(bigint, text, text, text) IS 'Gives a step back: it is ready again, no attempt is used. Only its holder may; an operator may leave the token out (NULL). Locks the task row. Raises VB003, VB011, VB012, VB013, VB022, VB060 (an agent without its token).';
-- Spending ceilings: what each allows, what was spent of it, and what runs that go on have reserved. The claim reads
-- them under their locks as it does other limits (59_claim.sql).
--
-- A ceiling's name is its kind and its key: campaign_budget 7, task_budget 12, daily_budget database, daily_budget
-- project 3, daily_budget agent NAME, daily_budget provider NAME. A run counts on the day of its claim, UTC.

CREATE TYPE vibe._ceiling AS (name text, amount_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe._ceiling IS 'A spending ceiling: its amount, what ended runs count, and what runs that go on have reserved.';

CREATE FUNCTION vibe._campaign_ceilings(campaign_ids bigint[])
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT 'campaign_budget ' || c.id, c.budget_usd,
               trim_scale((SELECT coalesce(sum(t.counted_usd), 0) FROM vibe.usage_totals t WHERE t.campaign_id = c.id)
                   + (SELECT coalesce(sum(e.counted_usd), 0) FROM vibe.usage_entries e WHERE e.campaign_id = c.id)),
               (SELECT coalesce(sum(r.reserved_usd), 0) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.campaign_id = c.id)
          FROM vibe.campaigns c
         WHERE c.id = ANY (campaign_ids) AND c.budget_usd IS NOT NULL;
END
$$;
COMMENT ON FUNCTION vibe._campaign_ceilings(bigint[]) IS 'The ceilings of campaigns that have one.';

CREATE FUNCTION vibe._task_ceilings(task_ids bigint[])
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT 'task_budget ' || t.id, c.task_budget_usd + t.approved_usd, trim_scale(t.folded_usd + used.spent_usd), used.reserved_usd
          FROM vibe.tasks t
          JOIN vibe.campaigns c ON c.id = t.campaign_id
         CROSS JOIN LATERAL (
            SELECT coalesce(sum(vibe._counted(r.cost_usd, r.reserved_usd, r.outcome, r.started_at)) FILTER (WHERE r.ended_at IS NOT NULL), 0) AS spent_usd,
                   coalesce(sum(r.reserved_usd) FILTER (WHERE r.ended_at IS NULL), 0) AS reserved_usd
              FROM vibe.runs r WHERE r.task_id = t.id) used
         WHERE t.id = ANY (task_ids) AND c.task_budget_usd IS NOT NULL;
END
$$;
COMMENT ON FUNCTION vibe._task_ceilings(bigint[]) IS 'The ceilings of tasks whose campaign gives them one.';

CREATE FUNCTION vibe._daily_ceilings(at timestamptz)
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    today date := vibe._day(at);
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day') THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH used AS MATERIALIZED (
            SELECT t.project_id, t.agent_name, t.provider, t.counted_usd AS spent_usd, 0::numeric AS reserved_usd
              FROM vibe.usage_totals t WHERE t.day = today
             UNION ALL
            SELECT e.project_id, e.agent_name, e.provider, e.counted_usd, 0 FROM vibe.usage_entries e WHERE e.day = today
             UNION ALL
            SELECT (SELECT t.project_id FROM vibe.tasks t WHERE t.id = r.task_id), r.agent_name, r.provider, 0, r.reserved_usd
              FROM vibe.runs r
             WHERE r.ended_at IS NULL AND r.reserved_usd IS NOT NULL AND vibe._day(r.claimed_at) = today
        )
        SELECT concat_ws(' ', 'daily_budget', b.scope, nullif(b.key, '')), b.amount_usd, trim_scale(coalesce(sum(u.spent_usd), 0)), coalesce(sum(u.reserved_usd), 0)
          FROM vibe.budgets b
          LEFT JOIN used u ON b.key = CASE b.scope WHEN 'database' THEN '' WHEN 'project' THEN u.project_id::text
                                                   WHEN 'agent' THEN u.agent_name ELSE u.provider END
         WHERE b.period = 'day'
         GROUP BY b.scope, b.key, b.amount_usd;
END
$$;
COMMENT ON FUNCTION vibe._daily_ceilings(timestamptz) IS 'The ceilings of the day that this time is in.';

CREATE FUNCTION vibe._ceilings(names text[], at timestamptz)
    RETURNS SETOF vibe._ceiling
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT c.* FROM vibe._campaign_ceilings(
        ARRAY(SELECT split_part(n, ' ', 2)::bigint FROM unnest(names) n WHERE n LIKE E'campaign\\_budget %')) c;
    RETURN QUERY SELECT c.* FROM vibe._task_ceilings(
        ARRAY(SELECT split_part(n, ' ', 2)::bigint FROM unnest(names) n WHERE n LIKE E'task\\_budget %')) c;
    RETURN QUERY SELECT c.* FROM vibe._daily_ceilings(at) c WHERE c.name = ANY (names);
END
$$;
COMMENT ON FUNCTION vibe._ceilings(text[], timestamptz) IS 'Ceilings by their names.';

-- The claim looks at all of them once, before it chooses. Tasks are looked at when their turn comes.
CREATE FUNCTION vibe._ceilings_in_play(at timestamptz)
    RETURNS vibe._ceiling[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign_ids bigint[] := ARRAY(
        SELECT c.id FROM vibe.campaigns c
         WHERE c.ended_at IS NULL AND c.budget_usd IS NOT NULL AND c.status IN ('active', 'in_revision')
           AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.state = 'ready' AND w.campaign_id = c.id));
BEGIN
    RETURN ARRAY(SELECT c FROM vibe._daily_ceilings(at) c) || ARRAY(
        SELECT c FROM vibe._campaign_ceilings(campaign_ids) c WHERE campaign_ids <> '{}');
END
$$;
COMMENT ON FUNCTION vibe._ceilings_in_play(timestamptz) IS 'The ceilings of the day, and those of campaigns at work that have something ready.';

CREATE FUNCTION vibe._reserve(campaign_usd numeric, otherwise_usd numeric, has_ceiling boolean, budget_usd numeric, task_budget_usd numeric)
    RETURNS numeric
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(campaign_usd, otherwise_usd,
        CASE WHEN has_ceiling OR budget_usd IS NOT NULL OR task_budget_usd IS NOT NULL THEN least(1.00, budget_usd, task_budget_usd) END);
END;
COMMENT ON FUNCTION vibe._reserve(numeric, numeric, boolean, numeric, numeric) IS 'What a run reserves and may cost: what its campaign says, else its agent or the database; under a ceiling, and where nobody says, 1 USD or the ceiling itself.';

CREATE FUNCTION vibe._run_budget(agent_name text)
    RETURNS numeric
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (SELECT b.amount_usd FROM vibe.budgets b
             WHERE b.period = 'run' AND (b.scope = 'database' OR (b.scope = 'agent' AND b.key = _run_budget.agent_name))
             ORDER BY b.scope LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._run_budget(text) IS 'What a run of the agent may cost where its campaign does not say; NULL is no limit.';

-- Tables written: none.
CREATE FUNCTION vibe._task_fits(task_id bigint, reserve_usd numeric, ceilings vibe._ceiling[])
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN NOT EXISTS (
        SELECT 1 FROM vibe._task_ceilings(ARRAY[_task_fits.task_id]) c WHERE c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd)
       AND NOT EXISTS (
        SELECT 1 FROM unnest(ceilings) c
         WHERE c.name = (SELECT 'daily_budget project ' || t.project_id FROM vibe.tasks t WHERE t.id = _task_fits.task_id)
           AND c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd);
END
$$;
COMMENT ON FUNCTION vibe._task_fits(bigint, numeric, vibe._ceiling[]) IS 'Whether the ceilings that a claim finds out about only with the task, its own and its project''s, have room for one more run.';

-- Tables written: budget_crossings, activities. Told once per crossing: the row stays until the ceiling is changed.
CREATE FUNCTION vibe._note_crossing(ceiling vibe._ceiling, reserve_usd numeric, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    today date := vibe._day(at);
    scope text := split_part(ceiling.name, ' ', 1);
    key text := split_part(ceiling.name, ' ', 2);
    task vibe.tasks;
BEGIN
    IF ceiling.amount_usd - ceiling.spent_usd >= reserve_usd THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.budget_crossings AS x (name, amount_usd, day, at)
    VALUES (ceiling.name, ceiling.amount_usd, today, _note_crossing.at)
    ON CONFLICT ON CONSTRAINT budget_crossings_pkey DO UPDATE
       SET amount_usd = excluded.amount_usd, day = excluded.day, at = excluded.at
     WHERE x.amount_usd <> excluded.amount_usd OR (scope = 'daily_budget' AND x.day <> excluded.day);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF scope = 'task_budget' THEN
        SELECT * INTO task FROM vibe.tasks t WHERE t.id = key::bigint;
    ELSIF scope = 'campaign_budget' THEN
        SELECT c.project_id, c.id INTO task.project_id, task.campaign_id FROM vibe.campaigns c WHERE c.id = key::bigint;
    ELSIF key = 'project' THEN
        task.project_id := split_part(ceiling.name, ' ', 3)::bigint;
    END IF;
    PERFORM vibe._record('budget_reached', format('The ceiling %s of %s USD is reached: %s USD were spent, and a run reserves %s.',
            vibe._ceiling_words(ceiling.name), ceiling.amount_usd, ceiling.spent_usd, reserve_usd),
        jsonb_build_object('ceiling', ceiling.name, 'ceiling_usd', ceiling.amount_usd, 'spent_usd', ceiling.spent_usd,
            'reserved_usd', ceiling.reserved_usd, 'run_usd', reserve_usd), task.project_id, task.campaign_id, task.id);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._note_crossing(vibe._ceiling, numeric, timestamptz) IS 'Tells of a ceiling that has no room for one more run even when nothing runs, unless that was told before.';

CREATE FUNCTION vibe._ceiling_words(name text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE pg_catalog.split_part(name, ' ', 1)
        WHEN 'campaign_budget' THEN 'of campaign ' || pg_catalog.split_part(name, ' ', 2)
        WHEN 'task_budget' THEN 'of task ' || pg_catalog.split_part(name, ' ', 2)
        ELSE 'of the day'
            || CASE WHEN name = 'daily_budget database' THEN '' ELSE ' for ' || pg_catalog.substr(name, 14) END END;
END;
COMMENT ON FUNCTION vibe._ceiling_words(text) IS 'A ceiling''s name as people read it.';

-- What is ready and would not start even if nothing ran. Only a claim that holds the ceiling's lock tells, so that
-- none waits for another. What is ready is read only when a ceiling has less left than any run reserves.
CREATE FUNCTION vibe._note_crossings(ceilings vibe._ceiling[], runners text[], providers text[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_usd numeric;
    low vibe._ceiling[];
    noted bigint;
BEGIN
    IF ceilings = '{}' THEN
        RETURN 0;
    END IF;
    most_usd := greatest(1.00, (SELECT max(b.amount_usd) FROM vibe.budgets b WHERE b.period = 'run'),
        (SELECT max(c.run_budget_usd) FROM vibe.campaigns c WHERE c.ended_at IS NULL));
    low := ARRAY(SELECT c FROM unnest(ceilings) c
                  WHERE c.amount_usd - c.spent_usd < most_usd
                    AND NOT EXISTS (SELECT 1 FROM vibe.budget_crossings x WHERE x.name = c.name AND x.amount_usd = c.amount_usd
                                       AND (c.name NOT LIKE 'daily%' OR x.day = vibe._day(_note_crossings.at))));
    IF low = '{}' THEN
        RETURN 0;
    END IF;
    WITH blocked AS (
        SELECT c, max(l.reserve_usd) AS reserve_usd
          FROM unnest(low) c
          JOIN vibe._ready_under(ARRAY(SELECT n.name FROM unnest(low) n), runners, providers) l
            ON l.name = c.name AND c.amount_usd - c.spent_usd < l.reserve_usd
         GROUP BY c
    )
    SELECT count(*) FILTER (WHERE CASE WHEN vibe._try_lock_limit((b.c).name)
                                       THEN vibe._note_crossing(b.c, b.reserve_usd, _note_crossings.at) ELSE false END)
      INTO noted FROM blocked b;
    RETURN noted;
END
$$;
COMMENT ON FUNCTION vibe._note_crossings(vibe._ceiling[], text[], text[], timestamptz) IS 'Tells of those ceilings that keep something ready from starting; returns of how many.';

CREATE FUNCTION vibe._ready_under(names text[], runners text[], providers text[])
    RETURNS TABLE (name text, reserve_usd numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH RECURSIVE head AS (
            (SELECT w.campaign_id, w.agent_name, w.task_id FROM vibe.work w
              WHERE w.state = 'ready' ORDER BY w.campaign_id, w.agent_name LIMIT 1)
            UNION ALL
            SELECT following.campaign_id, following.agent_name, following.task_id
              FROM head h
             CROSS JOIN LATERAL (
                SELECT w.campaign_id, w.agent_name, w.task_id FROM vibe.work w
                 WHERE w.state = 'ready' AND (w.campaign_id, w.agent_name) > (h.campaign_id, h.agent_name)
                 ORDER BY w.campaign_id, w.agent_name LIMIT 1) following
        )
        SELECT DISTINCT n.name, vibe._reserve(c.run_budget_usd, vibe._run_budget(h.agent_name), true, c.budget_usd, c.task_budget_usd)
          FROM head h
          JOIN vibe.tasks t ON t.id = h.task_id
          JOIN vibe.current_agents a ON a.name = h.agent_name
          LEFT JOIN vibe.campaigns c ON c.id = h.campaign_id
          LEFT JOIN unnest(runners, providers) u(runner, provider) ON u.runner = a.runner
          JOIN unnest(names) n(name) ON n.name IN ('campaign_budget ' || h.campaign_id, 'daily_budget database',
               'daily_budget project ' || t.project_id, 'daily_budget agent ' || h.agent_name, 'daily_budget provider ' || u.provider)
         WHERE a.paused_at IS NULL AND (h.campaign_id = 0 OR c.status IN ('active', 'in_revision'));
END
$$;
COMMENT ON FUNCTION vibe._ready_under(text[], text[], text[]) IS 'What the runs of ready steps would reserve, by the ceilings that they fall under.';
-- The verbs that end a run with or without a result, and the one that tries its step again.

CREATE FUNCTION vibe._check_result(quality_score numeric, output_path text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (quality_score BETWEEN 0 AND 100) THEN
        PERFORM vibe._invalid_argument('quality_score', quality_score::text, 'Use 0 to 100, or NULL.');
    ELSIF length(output_path) > 4000 OR output_path ~ E'^/|(^|/)[.][.](/|$)|[\x01-\x1f]' THEN
        PERFORM vibe._invalid_argument('output_path', output_path, 'Use a path relative to the workspace, without "..".');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_result(numeric, text) IS 'Raises VB030 for a score outside 0 to 100 or a path that leaves the workspace.';

-- Tables written: work, tasks, runs, campaigns, activities. Locks, in order: the task row (by the caller), at the
-- task's end another open task of the campaign (tried), or else the campaign row. record is the end of its process, where that is what completes it.
CREATE FUNCTION vibe._complete(
    task vibe.tasks, run vibe.runs, output jsonb, quality_score numeric, output_path text, summary text,
    record jsonb, at timestamptz
)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moved record;
    verdict vibe.runs;
BEGIN
    PERFORM vibe._check_result(_complete.quality_score, _complete.output_path);
    SELECT * INTO moved FROM vibe._advance(task, run, _complete.quality_score, at);
    verdict.outcome := 'done';
    verdict.answer := jsonb_build_object('next_step', moved.next_step, 'next_agent', moved.next_agent,
        'task_status', moved.task_status, 'task_completed', moved.task_completed);
    verdict.output := _complete.output;
    verdict.output_path := _complete.output_path;
    verdict.quality_score := _complete.quality_score;
    verdict.summary := _complete.summary;
    PERFORM vibe._end_run(run.id, verdict, _complete.record, at);
    PERFORM vibe._notify('step_advanced', format('Step %s of task "%s" is done.', run.step, left(task.title, 200)),
        verdict.answer, task.project_id, task.campaign_id, task.id, run.id);
    IF moved.task_completed AND NOT vibe._leaves_the_end_to_another(run.campaign_id) THEN
        PERFORM vibe._finish_campaign(run.campaign_id, at);
    END IF;
    RETURN verdict.answer;
END
$$;
COMMENT ON FUNCTION vibe._complete(vibe.tasks, vibe.runs, jsonb, numeric, text, text, jsonb, timestamptz) IS 'Closes an open run as done and moves its task on; returns the answer that is kept in runs.answer.';

CREATE FUNCTION vibe.complete_step(
    task_id bigint, agent_name text, lock_token text DEFAULT NULL, output jsonb DEFAULT NULL,
    quality_score numeric DEFAULT NULL, output_path text DEFAULT NULL, branch text DEFAULT '', summary text DEFAULT NULL
)
    RETURNS TABLE (completed boolean, next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(complete_step.task_id);
    run vibe.runs := vibe._run_of(task.id, complete_step.agent_name, complete_step.lock_token, coalesce(complete_step.branch, ''));
    reply jsonb := run.answer;
BEGIN
    IF reply IS NULL THEN
        reply := vibe._complete(task, run, complete_step.output, complete_step.quality_score,
            complete_step.output_path, complete_step.summary, NULL, at);
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT true, (reply ->> 'next_step')::integer, reply ->> 'next_agent',
        reply ->> 'task_status', (reply ->> 'task_completed')::boolean;
END
$$;
COMMENT ON FUNCTION vibe.complete_step(bigint, text, text, jsonb, numeric, text, text, text) IS 'Records a step''s result and moves the task on: next step, branches or the end, all in the caller''s transaction. Repeated with the same token it returns the first answer and changes nothing. An operator may leave the token out. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB004, VB011 (stale or foreign token), VB012 (wrong agent), VB013 (no live lock), VB020, VB022, VB030, VB060 (an agent without its token).';

CREATE FUNCTION vibe.fail_step(
    run_id bigint, lock_token text, outcome text DEFAULT 'failed', error text DEFAULT NULL, retry_after interval DEFAULT NULL
)
    RETURNS TABLE (waiting_for text, ready_at timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    retreat record;
BEGIN
    IF fail_step.outcome IS NULL OR fail_step.outcome IN ('done', 'revise', 'cancelled')
       OR NOT EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = fail_step.outcome) THEN
        PERFORM vibe._invalid_argument('outcome', fail_step.outcome, 'Use failed, blocked, rate_limited, auth, budget, bad_result, killed, lost, exec_error, timeout_start, timeout_idle or timeout_total.');
    ELSIF NOT (fail_step.retry_after BETWEEN interval '0' AND interval '30 days') THEN
        PERFORM vibe._invalid_argument('retry_after', fail_step.retry_after::text, 'Use 0 to 30 days, or NULL for the usual back-off.');
    END IF;
    run := vibe._run_by_token(fail_step.run_id, fail_step.lock_token);
    IF run.task_id IS NULL THEN
        -- A chore has no step to go back to: what follows, follows its process's end.
        PERFORM vibe._close_run(run.id, fail_step.outcome, fail_step.error, at);
        PERFORM vibe._wake(false);
        RETURN QUERY SELECT NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO retreat FROM vibe._retreat(vibe._lock_task(run.task_id), run, fail_step.outcome, fail_step.error, false, fail_step.retry_after, at);
    PERFORM vibe._close_run(run.id, fail_step.outcome, fail_step.error, at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT retreat.waiting_for, retreat.ready_at;
END
$$;
COMMENT ON FUNCTION vibe.fail_step(bigint, text, text, text, interval) IS 'Ends a run without a result. The outcome class (vibe.outcomes) decides whether an attempt is used and whether the step retries, after retry_after or the usual back-off, or waits for a person; a heartbeat is over (both NULL). Locks the task row, or the heartbeat. Raises VB006, VB011, VB022, VB030.';

CREATE FUNCTION vibe._step_not_found(task_id bigint, branch text, step integer, hint text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB007',
        MESSAGE = 'no such step or branch',
        DETAIL = format('Task %s, branch %L%s.', task_id, branch, coalesce(', step ' || step, '')),
        HINT = hint;
END
$$;
COMMENT ON FUNCTION vibe._step_not_found(bigint, text, integer, text) IS 'Raises VB007.';

-- Raises VB010 or VB020 for work that a retry is not for.
CREATE FUNCTION vibe._check_retriable(task vibe.tasks, item vibe.work)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF item.state = 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB010',
            MESSAGE = 'the step is being done now',
            DETAIL = format('Run %s holds task %s, branch %L.', item.run_id, task.id, item.branch),
            HINT = 'Wait for its end.';
    ELSIF item.waiting_for IN ('approval', 'branches') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the step does not wait for a retry',
            DETAIL = format('Task %s, branch %L waits for %s.', task.id, item.branch, item.waiting_for),
            HINT = CASE item.waiting_for WHEN 'approval' THEN format('SELECT * FROM vibe.approve_step(task_id => %s, branch => %L);', task.id, item.branch)
                ELSE 'It goes on when its branches are done.' END;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_retriable(vibe.tasks, vibe.work) IS 'Raises VB010 for a step that is being done, VB020 for one that waits for something else.';

-- Tables written: work, tasks, activities. The task and the work row are locked by the caller.
CREATE FUNCTION vibe._retry(task vibe.tasks, item vibe.work, note text, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    waits_for text := CASE WHEN item.branch = '' AND vibe._must_wait(task, item.step) THEN 'branches' END;
BEGIN
    UPDATE vibe.work w
       SET state = CASE WHEN waits_for IS NULL THEN 'ready' ELSE 'waiting' END, waiting_for = waits_for,
           ready_at = NULL, attempts = 0, retries = 0, since = at, note = coalesce(_retry.note, w.note)
     WHERE w.task_id = task.id AND w.branch = item.branch;
    IF task.status = 'blocked' AND item.branch = '' THEN
        UPDATE vibe.tasks t
           SET status = CASE WHEN task.rejection_notes IS NULL THEN vibe._earned_status(task) ELSE 'revision_needed' END,
               updated_at = at
         WHERE t.id = task.id;
    END IF;
    PERFORM vibe._record('step_retried', format('Step %s of task "%s" is tried again.', item.step, left(task.title, 200)),
        jsonb_build_object('branch', item.branch, 'step', item.step, 'note', _retry.note), task.project_id, task.campaign_id, task.id);
    -- Read anew: together with this branch another one of the task may have been retried.
    RETURN (SELECT t.status FROM vibe.tasks t WHERE t.id = task.id);
END
$$;
COMMENT ON FUNCTION vibe._retry(vibe.tasks, vibe.work, text, timestamptz) IS 'Makes a parked step ready with fresh attempts; returns the task''s status.';

CREATE FUNCTION vibe.retry_step(task_id bigint, branch text DEFAULT '', note text DEFAULT NULL)
    RETURNS TABLE (step integer, agent_name text, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(retry_step.task_id);
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(retry_step.branch, '') FOR UPDATE;
    IF FOUND THEN
        PERFORM vibe._check_retriable(task, item);
        step := item.step;
        agent_name := item.agent_name;
        task_status := vibe._retry(task, item, retry_step.note, at);
    ELSIF retry_step.branch = ANY (task.cancelled_branches) THEN
        SELECT * INTO step, agent_name, task_status FROM vibe._reopen_branch(task, retry_step.branch, retry_step.note, at);
    ELSE
        PERFORM vibe._step_not_found(task.id, retry_step.branch, NULL, 'Only a branch that is open or was cancelled can be retried.');
    END IF;
    PERFORM vibe._wake(true);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.retry_step(bigint, text, text) IS 'Makes a step that waits for a person or for its back-off ready now, with fresh attempts; the note reaches its next run. A task blocked at the cap of its revisions goes on with that revision. A branch that was cancelled opens again, at once or with its trigger. Locks the task row. Raises VB003, VB007 (nothing to retry), VB010 (being done), VB020 (waits for something else; a cancelled branch of a task that has ended), VB022.';
-- create_task(): one task by hand, or by an agent that sees that more is to be done.

-- An agent gives the token of an open run, and stays within that run's project; an operator gives none.
CREATE FUNCTION vibe._check_creator(project_id bigint, run_id bigint, lock_token text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    own_project bigint;
BEGIN
    IF _check_creator.run_id IS NULL AND lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
        RETURN NULL;
    END IF;
    run := vibe._run_by_token(_check_creator.run_id, lock_token);
    SELECT t.project_id INTO STRICT own_project FROM vibe.tasks t WHERE t.id = run.task_id;
    IF own_project IS DISTINCT FROM _check_creator.project_id THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB060',
            MESSAGE = 'a run creates tasks only in its own project',
            DETAIL = format('Run %s works for project %s; project %s was given.', run.id, own_project,
                coalesce(_check_creator.project_id::text, 'NULL')),
            HINT = format('Use project_id => %s, or call as a member of vibe_operator without a token.', own_project);
    END IF;
    RETURN run.id;
END
$$;
COMMENT ON FUNCTION vibe._check_creator(bigint, bigint, text) IS 'The run that creates a task, its task locked; NULL for an operator. Raises VB006, VB011, VB060.';

-- The lock that tasks which share numbers and slugs are created under: the campaign's, or the project's.
CREATE FUNCTION vibe._lock_for_task(project_id bigint, campaign_id bigint)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF campaign_id IS NULL THEN
        PERFORM vibe._lock_project_in_use(project_id);
        RETURN campaign;
    END IF;
    campaign := vibe._lock_campaign(campaign_id);
    IF campaign.project_id IS DISTINCT FROM project_id THEN
        PERFORM vibe._invalid_argument('campaign_id', campaign_id::text,
            format('Campaign "%s" is one of project %s.', campaign.slug, campaign.project_id));
    ELSIF campaign.ended_at IS NOT NULL THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._lock_for_task(bigint, bigint) IS 'The campaign that a task is created in, locked; without one all NULL, and the project is locked. Raises VB001, VB002, VB021, VB023, VB030.';

CREATE FUNCTION vibe._check_task(task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF btrim(coalesce(task.title, '')) = '' OR length(task.title) > 2000 THEN
        PERFORM vibe._invalid_argument('title', task.title, 'Give the task a title of 1 to 2000 characters.');
    ELSIF btrim(task.keyword) = '' OR length(task.keyword) > 2000 THEN
        PERFORM vibe._invalid_argument('keyword', task.keyword, 'Use 1 to 2000 characters, or NULL.');
    ELSIF length(task.idempotency_key) NOT BETWEEN 1 AND 200 THEN
        PERFORM vibe._invalid_argument('idempotency_key', task.idempotency_key, 'Use 1 to 200 characters, or NULL.');
    END IF;
    PERFORM vibe._check_priority(task.priority);
    PERFORM vibe._check_deliverables(task.deliverables);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_task(vibe.tasks) IS 'Raises VB030 for a task that cannot be stored.';

-- A title that reads like another one gets "--" and the task's number, as in _create_tasks().
CREATE FUNCTION vibe._free_slug(task vibe.tasks)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    base text := vibe._slug(task.title);
BEGIN
    RETURN CASE
        WHEN base = '' THEN 'task-' || task.number
        WHEN base ~ '^task-[0-9]+$'
          OR EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = task.campaign_id AND t.slug = base)
          OR EXISTS (SELECT 1 FROM vibe.tasks t
                      WHERE task.campaign_id IS NULL AND t.project_id = task.project_id AND t.campaign_id IS NULL AND t.slug = base)
            THEN base || '--' || task.number
        ELSE base END;
END
$$;
COMMENT ON FUNCTION vibe._free_slug(vibe.tasks) IS 'The slug of a task that is being created, unique among those whose files share its directory.';

CREATE FUNCTION vibe._last_number(project_id bigint, campaign_id bigint)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN coalesce(CASE WHEN _last_number.campaign_id IS NULL THEN (
            SELECT t.number FROM vibe.tasks t WHERE t.project_id = _last_number.project_id AND t.campaign_id IS NULL
             ORDER BY t.id DESC LIMIT 1)
        ELSE (SELECT t.number FROM vibe.tasks t WHERE t.campaign_id = _last_number.campaign_id ORDER BY t.id DESC LIMIT 1) END, 0);
END
$$;
COMMENT ON FUNCTION vibe._last_number(bigint, bigint) IS 'The number of the newest task of a campaign, or of those of a project that have none.';

-- Tables written: tasks, work. Two keys that are sent at once: the second insert waits for the first, and finds it.
CREATE FUNCTION vibe._insert_task(task vibe.tasks, at timestamptz)
    RETURNS vibe.tasks
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    entry record;
BEGIN
    task.number := vibe._last_number(task.project_id, task.campaign_id) + 1;
    IF task.number > 1000000 AND task.campaign_id IS NOT NULL THEN
        PERFORM vibe._campaign_full(task.campaign_id, task.number - 1, 1);
    END IF;
    task.slug := vibe._free_slug(task);
    SELECT * INTO entry FROM vibe._next_stop(task.pipeline_version_id, -1, false, vibe._wanted(task), '{}');
    INSERT INTO vibe.tasks AS t (project_id, campaign_id, pipeline_version_id, number, title, slug, keyword, description,
        step, priority, deliverables, idempotency_key, created_at, updated_at)
    VALUES (task.project_id, task.campaign_id, task.pipeline_version_id, task.number, task.title, task.slug, task.keyword,
        task.description, entry.next_step, task.priority, task.deliverables, task.idempotency_key, at, at)
    ON CONFLICT (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING t.* INTO task;
    IF task.id IS NOT NULL THEN
        PERFORM vibe._set_main_line(task, entry.next_step, entry.next_agent, entry.waiting_for, NULL, at);
        INSERT INTO vibe.work (task_id, branch, campaign_id, step, agent_name, state, priority, since)
        SELECT task.id, s.branch, coalesce(task.campaign_id, 0), 0, s.agent_name, 'ready', vibe._priority_rank(task.priority), at
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ANY (entry.opened);
    END IF;
    RETURN task;
END
$$;
COMMENT ON FUNCTION vibe._insert_task(vibe.tasks, timestamptz) IS 'Inserts a task with the work of its first step; id is NULL where the idempotency key is there already. Raises VB034.';

CREATE FUNCTION vibe._task_of_key(project_id bigint, idempotency_key text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (SELECT t.id FROM vibe.tasks t
             WHERE t.project_id = _task_of_key.project_id AND t.idempotency_key = _task_of_key.idempotency_key);
END
$$;
COMMENT ON FUNCTION vibe._task_of_key(bigint, text) IS 'The task that was created with a key; NULL where there is none.';

-- Tables written: tasks, work, task_assignees, activities. Locks, in order: the task of the calling run, the campaign
-- row, or without a campaign the project row.
CREATE FUNCTION vibe.create_task(
    project_id bigint, title text, campaign_id bigint DEFAULT NULL, pipeline_slug text DEFAULT NULL,
    priority text DEFAULT 'medium', description text DEFAULT NULL, keyword text DEFAULT NULL,
    deliverables jsonb DEFAULT NULL, assignees text[] DEFAULT '{}', idempotency_key text DEFAULT NULL,
    run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL
)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    creator bigint := vibe._check_creator(create_task.project_id, create_task.run_id, create_task.lock_token);
    existing bigint := vibe._task_of_key(create_task.project_id, create_task.idempotency_key);
    campaign vibe.campaigns;
    task vibe.tasks;
BEGIN
    IF existing IS NULL THEN
        task.project_id := create_task.project_id;
        task.title := create_task.title;
        task.priority := create_task.priority;
        task.description := create_task.description;
        task.keyword := create_task.keyword;
        task.deliverables := create_task.deliverables;
        task.idempotency_key := create_task.idempotency_key;
        PERFORM vibe._check_task(task);
        PERFORM vibe._check_agents(create_task.assignees);
        task.pipeline_version_id := vibe._version_for_task(create_task.campaign_id, create_task.pipeline_slug);
        campaign := vibe._lock_for_task(create_task.project_id, create_task.campaign_id);
        task.campaign_id := campaign.id;
        task := vibe._insert_task(task, at);
        existing := coalesce(task.id, vibe._task_of_key(create_task.project_id, create_task.idempotency_key));
    END IF;
    IF task.id IS NOT NULL THEN
        INSERT INTO vibe.task_assignees (task_id, agent_name, assigned_at)
        SELECT DISTINCT task.id, a, at FROM unnest(create_task.assignees) a;
        PERFORM vibe._record('task_created', format('Task "%s" was created.', left(task.title, 200)),
            jsonb_strip_nulls(jsonb_build_object('run_id', creator)), task.project_id, task.campaign_id, task.id);
        IF campaign.status IS DISTINCT FROM 'planning' THEN
            PERFORM vibe._note_home();
            PERFORM vibe._wake(true);
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[existing]);
END
$$;
COMMENT ON FUNCTION vibe.create_task(bigint, text, bigint, text, text, text, text, jsonb, text[], text, bigint, text) IS 'Creates one task and makes its first step ready at once; in a campaign that is being planned, with its activation. With campaign_id it goes through the campaign''s pipeline version, without one through the current version of pipeline_slug. The same idempotency_key in the same project returns the task that is there, whatever the other arguments. An agent gives run_id and lock_token of its open run and stays in that run''s project; an operator gives none. Locks the run''s task row, the campaign row, without a campaign the project row. Raises VB001, VB002, VB004 (assignees), VB005 (pipeline), VB006, VB011 (run, token), VB021 (campaign ended), VB022, VB023 (project archived), VB030, VB034 (more than 1000000), VB060 (an agent without a token, or in another project).';

CREATE FUNCTION vibe._version_for_task(campaign_id bigint, pipeline_slug text)
    RETURNS bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF _version_for_task.campaign_id IS NULL AND pipeline_slug IS NULL THEN
        PERFORM vibe._invalid_argument('pipeline_slug', NULL, 'Name the campaign that the task is of, or a pipeline for a task of its own.');
    ELSIF _version_for_task.campaign_id IS NULL THEN
        RETURN (vibe._pipeline_for_campaign(NULL, pipeline_slug)).id;
    ELSIF pipeline_slug IS NOT NULL THEN
        PERFORM vibe._invalid_argument('pipeline_slug', pipeline_slug, 'A task of a campaign goes through the campaign''s pipeline; leave it out.');
    END IF;
    RETURN (SELECT c.pipeline_version_id FROM vibe.campaigns c WHERE c.id = _version_for_task.campaign_id);
END
$$;
COMMENT ON FUNCTION vibe._version_for_task(bigint, text) IS 'The pipeline version that a new task goes through; NULL for a campaign that is not there. Raises VB005, VB030.';
-- Verbs that change what a task says about itself, and who has to do with it. None moves it.

-- Tables written: tasks, work, activities. Locks, in order: the task row, its work rows.
CREATE FUNCTION vibe._set_priority(task vibe.tasks, priority text, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.tasks t SET priority = _set_priority.priority, updated_at = at
     WHERE t.id = task.id AND t.priority <> _set_priority.priority;
    IF FOUND THEN
        PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
        UPDATE vibe.work w SET priority = vibe._priority_rank(_set_priority.priority) WHERE w.task_id = task.id;
        PERFORM vibe._wake(false);
        RETURN true;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION vibe._set_priority(vibe.tasks, text, timestamptz) IS 'Gives a locked task and its work another place in the queue; false if it has that priority.';

CREATE FUNCTION vibe.set_priority(task_id bigint, priority text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_priority(set_priority.priority);
    task := vibe._lock_task(set_priority.task_id);
    IF vibe._set_priority(task, set_priority.priority, at) THEN
        PERFORM vibe._record('task_updated', format('Task "%s" has priority %s.', left(task.title, 200), set_priority.priority),
            jsonb_build_object('priority', set_priority.priority), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.set_priority(bigint, text) IS 'Gives a task, and what of it is ready or waiting, the priority low, medium, high or urgent. Locks the task row, then its work. Raises VB003, VB022, VB030.';

CREATE FUNCTION vibe.update_task(id bigint, changes jsonb)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_fields('changes', update_task.changes,
        ARRAY['title', 'description', 'keyword', 'priority', 'deliverables']);
    task := vibe._lock_task(update_task.id);
    PERFORM vibe._set_priority(task, vibe._check_priority(vibe._text_field(changes, 'priority', task.priority)), at);
    task.title := vibe._text_field(changes, 'title', task.title);
    task.description := vibe._text_field(changes, 'description', task.description);
    task.keyword := vibe._text_field(changes, 'keyword', task.keyword);
    IF changes ? 'deliverables' THEN
        task.deliverables := nullif(changes -> 'deliverables', 'null');
    END IF;
    PERFORM vibe._check_task(task);
    UPDATE vibe.tasks t
       SET title = task.title, description = task.description, keyword = task.keyword,
           deliverables = task.deliverables, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('task_updated', format('Task "%s" was changed.', left(task.title, 200)), update_task.changes,
        task.project_id, task.campaign_id, task.id);
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.update_task(bigint, jsonb) IS 'Changes the fields of a task that changes names: title (its slug, and so its files, keep their name), description, keyword, priority, deliverables (for branches that have not begun; null: its campaign''s). What runs already was told the old ones. Locks the task row, then its work. Raises VB003, VB022, VB030 (another field, invalid value).';

CREATE FUNCTION vibe._check_names(argument text, names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(cardinality(names), 0) = 0 OR EXISTS (
        SELECT 1 FROM unnest(names) n WHERE btrim(coalesce(n, '')) = '' OR length(n) > 200) THEN
        PERFORM vibe._invalid_argument(argument, names::text, 'Give names of 1 to 200 characters.');
    END IF;
    RETURN names;
END
$$;
COMMENT ON FUNCTION vibe._check_names(text, text[]) IS 'Raises VB030 unless there is a name, and none is NULL, blank or too long.';

CREATE FUNCTION vibe.assign_task(id bigint, agent_names text[])
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
    added text[];
BEGIN
    PERFORM vibe._check_agents(vibe._check_names('agent_names', assign_task.agent_names));
    task := vibe._lock_task(assign_task.id);
    WITH inserted AS (
        INSERT INTO vibe.task_assignees AS a (task_id, agent_name, assigned_at)
        SELECT DISTINCT task.id, n, at FROM unnest(assign_task.agent_names) n
        ON CONFLICT ON CONSTRAINT task_assignees_pkey DO NOTHING
        RETURNING a.agent_name
    )
    SELECT array_agg(i.agent_name ORDER BY i.agent_name) INTO added FROM inserted i;
    IF added IS NOT NULL THEN
        PERFORM vibe._record('task_assigned', format('Task "%s" was assigned to %s.', left(task.title, 200), array_to_string(added, ', ')),
            jsonb_build_object('agent_names', added), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.assign_task(bigint, text[]) IS 'Adds agents that answer for a task; who does which step is said by its pipeline alone. One that is assigned already stays so. Locks the task row. Raises VB003, VB004, VB022, VB030.';

CREATE FUNCTION vibe.unassign_task(id bigint, agent_names text[] DEFAULT NULL)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    removed text[];
BEGIN
    PERFORM vibe._begin_verb();
    task := vibe._lock_task(unassign_task.id);
    WITH deleted AS (
        DELETE FROM vibe.task_assignees a
         WHERE a.task_id = task.id AND a.agent_name = ANY (coalesce(unassign_task.agent_names, ARRAY[a.agent_name]))
        RETURNING a.agent_name
    )
    SELECT array_agg(d.agent_name ORDER BY d.agent_name) INTO removed FROM deleted d;
    IF removed IS NOT NULL THEN
        PERFORM vibe._record('task_unassigned', format('Task "%s" is not assigned to %s any more.', left(task.title, 200), array_to_string(removed, ', ')),
            jsonb_build_object('agent_names', removed), task.project_id, task.campaign_id, task.id);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.unassign_task(bigint, text[]) IS 'Takes these agents, or all (NULL), off a task; names that are not assigned change nothing. Locks the task row. Raises VB003, VB022.';

CREATE FUNCTION vibe.add_subscriber(task_id bigint, name text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_names('name', ARRAY[add_subscriber.name]);
    task := vibe._lock_task(add_subscriber.task_id);
    INSERT INTO vibe.task_subscribers (task_id, name, subscribed_at)
    VALUES (task.id, add_subscriber.name, at)
    ON CONFLICT ON CONSTRAINT task_subscribers_pkey DO NOTHING;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.add_subscriber(bigint, text) IS 'Adds somebody who wants to hear about a task: a user, an agent, an address. A second call changes nothing. Locks the task row. Raises VB003, VB022, VB030.';

CREATE FUNCTION vibe.remove_subscriber(task_id bigint, name text)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
BEGIN
    PERFORM vibe._begin_verb();
    task := vibe._lock_task(remove_subscriber.task_id);
    DELETE FROM vibe.task_subscribers s WHERE s.task_id = task.id AND s.name = remove_subscriber.name;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.remove_subscriber(bigint, text) IS 'Takes a subscriber off a task; one who is not there is no error. Locks the task row. Raises VB003, VB022.';
-- Providers: their limit, their pauses, and what a run's end says about them.

CREATE TYPE vibe.provider_info AS (
    name text, max_parallel integer, running bigint, paused_since timestamptz, paused_until timestamptz, pause_reason text);
COMMENT ON TYPE vibe.provider_info IS 'A provider, as functions return it. A paused_until that has passed: one run goes first to see whether the pause is over.';

CREATE FUNCTION vibe.list_providers()
    RETURNS SETOF vibe.provider_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.name, p.max_parallel, (SELECT count(*) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.provider = p.name),
           p.paused_at, p.paused_until, p.pause_reason
      FROM vibe.providers p ORDER BY p.name;
END;
COMMENT ON FUNCTION vibe.list_providers() IS 'Providers that have a limit or have been paused; any other has no limit and is not paused.';

CREATE FUNCTION vibe._check_provider(name text)
    RETURNS text
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR name !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' THEN
        PERFORM vibe._invalid_argument('name', name, 'Use the provider''s name as the runner file has it: letters, digits, "_" and "-".');
    END IF;
    RETURN name;
END
$$;
COMMENT ON FUNCTION vibe._check_provider(text) IS 'Raises VB030 for a name that no runner could give its provider.';

CREATE FUNCTION vibe.set_provider_limit(name text, max_parallel integer)
    RETURNS SETOF vibe.provider_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_provider(set_provider_limit.name);
    IF NOT (set_provider_limit.max_parallel BETWEEN 1 AND 100000) THEN
        PERFORM vibe._invalid_argument('max_parallel', set_provider_limit.max_parallel::text, 'Use 1 to 100000, or NULL for no limit.');
    END IF;
    INSERT INTO vibe.providers AS p (name, max_parallel)
    VALUES (set_provider_limit.name, set_provider_limit.max_parallel)
    ON CONFLICT ON CONSTRAINT providers_pkey DO UPDATE SET max_parallel = excluded.max_parallel;
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT l.* FROM vibe.list_providers() l WHERE l.name = set_provider_limit.name;
END
$$;
COMMENT ON FUNCTION vibe.set_provider_limit(text, integer) IS 'How many runs of a provider there may be at a time, whatever their runners; NULL for no limit. What runs already goes on. Locks the provider''s row. Raises VB022, VB030.';

CREATE FUNCTION vibe.pause_provider(name text, until timestamptz DEFAULT 'infinity', reason text DEFAULT 'paused by hand')
    RETURNS SETOF vibe.provider_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    PERFORM vibe._check_provider(pause_provider.name);
    IF pause_provider.until IS NULL OR pause_provider.until <= at THEN
        PERFORM vibe._invalid_argument('until', pause_provider.until::text, 'Use a time to come, or ''infinity'' for until resume_provider().');
    END IF;
    PERFORM vibe._set_provider_pause(pause_provider.name, pause_provider.until,
        coalesce(nullif(btrim(pause_provider.reason), ''), 'paused by hand'), false, at);
    RETURN QUERY SELECT l.* FROM vibe.list_providers() l WHERE l.name = pause_provider.name;
END
$$;
COMMENT ON FUNCTION vibe.pause_provider(text, timestamptz, text) IS 'Starts no more runs of a provider until a time, or until resume_provider(). What runs already goes on. Locks the provider''s row. Raises VB022, VB030.';

CREATE FUNCTION vibe.resume_provider(name text)
    RETURNS TABLE (resumed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    UPDATE vibe.providers p
       SET paused_at = NULL, paused_until = NULL, pause_reason = NULL, pauses_in_a_row = 0, probed_at = NULL
     WHERE p.name = resume_provider.name AND p.paused_at IS NOT NULL;
    resumed := FOUND;
    IF resumed THEN
        PERFORM vibe._record('provider_resumed', format('Provider "%s" was resumed.', resume_provider.name), NULL, NULL, NULL);
        PERFORM vibe._wake(false);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.resume_provider(text) IS 'Ends a provider''s pause at once, for all its work. resumed is false if it was not paused. Locks the provider''s row. Raises VB022.';

-- Tables written: providers, activities. Runs that started before a pause and are turned away after it tell
-- nothing new, so only a later end than the known one counts, and only a run that came after the pause counts as
-- one more in a row.
CREATE FUNCTION vibe._set_provider_pause(name text, until timestamptz, reason text, in_a_row boolean, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO vibe.providers AS p (name, paused_at, paused_until, pause_reason, pauses_in_a_row)
    VALUES (name, at, until, left(reason, 1000), in_a_row::integer)
    ON CONFLICT ON CONSTRAINT providers_pkey DO UPDATE
       SET paused_at = at, paused_until = excluded.paused_until, pause_reason = excluded.pause_reason, probed_at = NULL,
           pauses_in_a_row = least(p.pauses_in_a_row + excluded.pauses_in_a_row, 30000)
     WHERE p.paused_until IS NULL OR p.paused_until < excluded.paused_until OR p.paused_until <= at;
    IF FOUND THEN
        PERFORM vibe._record('provider_paused', format('Provider "%s" is paused %s: %s', name,
                CASE until WHEN 'infinity' THEN 'until somebody resumes it' ELSE 'until ' || until END, left(reason, 500)),
            jsonb_build_object('provider', name, 'until', until, 'reason', left(reason, 1000)), NULL, NULL);
        PERFORM vibe._wake(false);
    END IF;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._set_provider_pause(text, timestamptz, text, boolean, timestamptz) IS 'Pauses a provider, unless it is already for at least as long.';

CREATE FUNCTION vibe._is_the_providers(run vibe.runs, outcome text, record jsonb)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (run).provider IS NOT NULL
        AND (outcome = 'auth' OR (outcome = 'rate_limited' AND coalesce(record -> 'pauses_provider' = 'true', false)));
END;
COMMENT ON FUNCTION vibe._is_the_providers(vibe.runs, text, jsonb) IS 'Whether a run''s end tells of its provider and not of its step: refused credentials, or a limit that the record says is the provider''s.';

CREATE FUNCTION vibe._reset_time(record jsonb, at timestamptz)
    RETURNS timestamptz
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE WHEN t.reset BETWEEN at AND at + interval '30 days' THEN t.reset END
      FROM (SELECT to_timestamp(vibe._count(record -> 'resets_at')::double precision) AS reset) t;
END;
COMMENT ON FUNCTION vibe._reset_time(jsonb, timestamptz) IS 'When the limit that a record tells of is over; NULL where it says nothing that can be true.';

-- Without a time from the provider: 5 minutes, doubling to an hour; an overload: 1 minute, doubling. A little
-- jitter, so that several servers do not come back in the same instant.
CREATE FUNCTION vibe._pause_after(run vibe.runs, outcome text, until timestamptz, error text, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    provider vibe.providers;
    in_a_row boolean;
BEGIN
    SELECT * INTO provider FROM vibe.providers p WHERE p.name = run.provider FOR UPDATE;
    in_a_row := provider.paused_until IS NULL OR run.claimed_at >= provider.paused_until;
    IF outcome = 'auth' THEN
        RETURN vibe._set_provider_pause(run.provider, 'infinity',
            format('it refused the credentials: %s', coalesce(error, 'no message')), in_a_row, at);
    ELSIF until IS NULL AND NOT in_a_row THEN
        RETURN false;
    END IF;
    until := coalesce(until, at + least(interval '5 minutes' * power(2, least(coalesce(provider.pauses_in_a_row, 0), 10)), interval '1 hour'));
    RETURN vibe._set_provider_pause(run.provider, until + random() * interval '1 second',
        format('it is over its limit: %s', coalesce(error, 'no message')), in_a_row, at);
END
$$;
COMMENT ON FUNCTION vibe._pause_after(vibe.runs, text, timestamptz, text, timestamptz) IS 'Pauses the provider of a run that was turned away: until the given time, else for longer each time; after refused credentials until somebody resumes it.';

CREATE FUNCTION vibe._provider_works(run vibe.runs)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.providers p
       SET paused_at = NULL, paused_until = NULL, pause_reason = NULL, pauses_in_a_row = 0, probed_at = NULL
     WHERE p.name = run.provider AND p.paused_until <= run.claimed_at;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._provider_works(vibe.runs) IS 'A run that was started after a pause and went well ends it for good.';
-- The verbs of whoever judges a result: it is good, or it goes back with notes.

CREATE FUNCTION vibe.approve_step(
    task_id bigint, run_id bigint DEFAULT NULL, branch text DEFAULT '', note text DEFAULT NULL, step integer DEFAULT NULL
)
    RETURNS TABLE (next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(approve_step.task_id);
    item vibe.work;
    latest bigint;
    moved record;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = coalesce(approve_step.branch, '');
    IF item.waiting_for IS DISTINCT FROM 'approval' OR item.step <> approve_step.step THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the step does not wait for approval',
            DETAIL = format('Task %s, branch %L is at step %s, %s.', task.id, coalesce(approve_step.branch, ''), coalesce(item.step::text, 'none'),
                            coalesce('waiting for ' || item.waiting_for, item.state, task.status)),
            HINT = 'SELECT vibe.get_task_pipeline_status(task_id) shows where it stands.';
    END IF;
    SELECT max(r.id) INTO latest FROM vibe.runs r
     WHERE r.task_id = task.id AND r.branch = item.branch AND r.step = item.step AND r.outcome = 'done' AND NOT r.superseded;
    IF approve_step.run_id IS DISTINCT FROM latest AND approve_step.run_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB011',
            MESSAGE = 'this approval is for an older revision',
            DETAIL = format('Run %s was approved; the step''s result is that of run %s.', approve_step.run_id, coalesce(latest::text, 'none')),
            HINT = 'Look at the newer result and approve that.';
    END IF;
    IF item.branch = '' THEN
        SELECT * INTO moved FROM vibe._move_on(task, item.step, NULL, NULL, at);
        UPDATE vibe.work w SET note = approve_step.note WHERE w.task_id = task.id AND w.branch = '' AND approve_step.note IS NOT NULL;
    ELSE
        SELECT * INTO moved FROM vibe._close_branch(task, item.branch, at);
    END IF;
    PERFORM vibe._record('step_approved', format('Step %s of task "%s" was approved.', item.step, left(task.title, 200)),
        jsonb_build_object('branch', item.branch, 'step', item.step, 'run_id', latest, 'note', approve_step.note),
        task.project_id, task.campaign_id, task.id);
    IF moved.task_completed THEN
        PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT moved.next_step, moved.next_agent, moved.task_status, moved.task_completed;
END
$$;
COMMENT ON FUNCTION vibe.approve_step(bigint, bigint, text, text, integer) IS 'Opens a human gate; the note reaches the next main step. run_id names the result that is approved: an older one is refused. step names the gate, also one without an agent, so that two approvals of one gate never open the next one too. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB011 (older revision), VB020 (that gate does not wait), VB022.';

CREATE FUNCTION vibe._revision_target(task vibe.tasks, from_step integer, target_step integer)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_step integer;
BEGIN
    SELECT max(s.step) INTO found_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '' AND s.agent_name IS NOT NULL
       AND s.step < from_step AND s.step = coalesce(target_step, s.step);
    IF found_step IS NULL THEN
        PERFORM vibe._step_not_found(task.id, '', coalesce(target_step, from_step),
            format('Name an earlier step than %s that has an agent.', from_step));
    END IF;
    RETURN found_step;
END
$$;
COMMENT ON FUNCTION vibe._revision_target(vibe.tasks, integer, integer) IS 'The earlier step that a revision goes back to; without one given, the nearest with an agent. Raises VB007.';

CREATE FUNCTION vibe._revision_limit(task vibe.tasks, run vibe.runs, branch text)
    RETURNS integer
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step_limit integer := run.step;
    branch_step vibe.pipeline_steps;
BEGIN
    IF branch <> '' OR run.id IS NULL THEN
        step_limit := coalesce(task.step, (SELECT max(s.step) + 1 FROM vibe.pipeline_steps s
            WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = ''));
        -- Where its gate waits, the step that the task is at is itself done.
        step_limit := step_limit + EXISTS (
            SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' AND w.waiting_for = 'approval')::integer;
    END IF;
    IF branch <> '' THEN
        branch_step := vibe._branch_step(task, branch);
        step_limit := least(step_limit, branch_step.trigger_after_step + 1);
    END IF;
    RETURN step_limit;
END
$$;
COMMENT ON FUNCTION vibe._revision_limit(vibe.tasks, vibe.runs, text) IS 'The main step before which the target of a revision must be: where the run or the task is; for a branch not behind its trigger. Raises VB007.';

CREATE FUNCTION vibe.request_revision(
    task_id bigint, notes text, target_step integer DEFAULT NULL, branch text DEFAULT '',
    agent_name text DEFAULT NULL, lock_token text DEFAULT NULL, rerun_branches boolean DEFAULT false
)
    RETURNS TABLE (next_step integer, next_agent text, revision_count integer, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    asked_of text := coalesce(request_revision.branch, '');
    task vibe.tasks;
    run vibe.runs;
    rewound record;
BEGIN
    IF btrim(coalesce(request_revision.notes, '')) = '' THEN
        PERFORM vibe._invalid_argument('notes', request_revision.notes, 'Say what is to be done better.');
    ELSIF request_revision.lock_token IS NULL THEN
        PERFORM vibe._require_operator('lock_token');
    END IF;
    task := vibe._lock_task(request_revision.task_id);
    IF request_revision.lock_token IS NOT NULL THEN
        run := vibe._run_of(task.id, request_revision.agent_name, request_revision.lock_token, asked_of);
        IF run.closed_at IS NOT NULL THEN
            PERFORM vibe._lock_lost(run.id, format('Run %s was closed as %s at %s.', run.id, run.outcome, run.closed_at));
        END IF;
    END IF;
    PERFORM vibe._check_revisable(task);
    IF asked_of <> '' AND run.id IS NULL AND request_revision.target_step IS NULL THEN
        next_step := 0;
        rewound := vibe._send_back_branch(task, asked_of, request_revision.notes, at);
    ELSE
        next_step := vibe._revision_target(task, vibe._revision_limit(task, run, asked_of), request_revision.target_step);
        rewound := vibe._revise(task, run, next_step, request_revision.notes, coalesce(request_revision.rerun_branches, false),
            NULL, NULL, NULL, at);
    END IF;
    -- Reopening a task and ending its campaign exclude each other: whoever comes second sees the other.
    IF task.ended_at IS NOT NULL AND task.campaign_id IS NOT NULL THEN
        PERFORM vibe._lock_campaign(task.campaign_id);
        PERFORM vibe._check_revisable(task);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT next_step, rewound.agent_name, t.revision_count, t.status FROM vibe.tasks t WHERE t.id = task.id;
END
$$;
COMMENT ON FUNCTION vibe.request_revision(bigint, text, integer, text, text, text, boolean) IS 'Sends a task back to an earlier step with notes: what was made from there on is superseded, what runs there is stopped, the round is counted, and over the campaign''s max_revisions the task is blocked for a person. An agent gives its token, an operator none; without target_step the nearest earlier step with an agent. Branches triggered there that are done stay so unless rerun_branches, which gives them the notes too; those not done open again with their trigger. With branch, target_step is a main step up to its trigger; an operator who names a branch and no target_step sends that branch alone back (next_step 0): it runs again with the notes, also where it was cancelled or its task is completed, and a converging step that has not begun waits for it. Locks the task row, of a completed task also the campaign row. Raises VB003, VB007, VB011, VB012, VB020 (cancelled, a branch that has made nothing), VB021 (campaign ended), VB022, VB030, VB060 (an agent without its token).';

CREATE FUNCTION vibe._check_revisable(task vibe.tasks)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    IF task.status = 'cancelled' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is cancelled', task.id),
            DETAIL = format('Task "%s" was cancelled at %s.', left(task.title, 200), task.ended_at),
            HINT = 'A cancelled task stays so; create another one.';
    END IF;
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = task.campaign_id;
    IF campaign.ended_at IS NOT NULL THEN
        PERFORM vibe._campaign_not_active(campaign);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_revisable(vibe.tasks) IS 'Raises VB020 for a cancelled task, VB021 for one whose campaign has ended.';

-- Tables written: runs, work, tasks, activities. run is the reviewer's own run, or all NULL.
CREATE FUNCTION vibe._revise(
    task vibe.tasks, run vibe.runs, target_step integer, notes text, rerun_branches boolean, summary text, score numeric,
    record jsonb, at timestamptz,
    OUT agent_name text, OUT revisions integer, OUT is_blocked boolean
)
    RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    verdict vibe.runs;
BEGIN
    SELECT * INTO agent_name, revisions, is_blocked FROM vibe._rewind(task, target_step, notes, rerun_branches, run.id, at);
    verdict.outcome := 'revise';
    verdict.notes := _revise.notes;
    verdict.summary := _revise.summary;
    verdict.quality_score := _revise.score;
    verdict.superseded := true;
    PERFORM vibe._end_run(run.id, verdict, _revise.record, at);
END
$$;
COMMENT ON FUNCTION vibe._revise(vibe.tasks, vibe.runs, integer, text, boolean, text, numeric, jsonb, timestamptz) IS 'Closes the reviewer''s run, if there is one, and rewinds the task.';
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
    -- Pieces between fields and fields alternate; an unknown {word} is left as it stands.
    RETURN (
        SELECT string_agg(piece.text || coalesce(CASE WHEN fields ? field.name THEN coalesce(fields ->> field.name, '-')
                                                      ELSE field.match END, ''), '' ORDER BY piece.n)
          FROM regexp_split_to_table(template, '[{][a-z_]+[}]') WITH ORDINALITY piece(text, n)
          LEFT JOIN (SELECT m.m[1] AS match, btrim(m.m[1], '{}') AS name, m.n
                       FROM regexp_matches(template, '[{][a-z_]+[}]', 'g') WITH ORDINALITY m(m, n)) field ON field.n = piece.n);
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
    IF _revision_notes.branch = '' THEN
        RETURN task.rejection_notes;
    END IF;
    RETURN (
        SELECT r.notes FROM vibe.runs r
         WHERE r.task_id = task.id AND r.branch = _revision_notes.branch AND r.superseded AND r.notes IS NOT NULL
         ORDER BY r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._revision_notes(vibe.tasks, text) IS 'The notes of the last revision for the next run: the main line''s stand in the task, a branch''s with the run that they are about.';

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
    IF run.resumed_session IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT jsonb_build_object('input_tokens', coalesce(sum(r.input_tokens), 0), 'output_tokens', coalesce(sum(r.output_tokens), 0),
                   'cache_read_tokens', coalesce(sum(r.cache_read_tokens), 0), 'cache_write_tokens', coalesce(sum(r.cache_write_tokens), 0))
          FROM vibe.runs r
         WHERE r.task_id = run.task_id AND r.branch = run.branch AND r.step = run.step AND r.id < run.id
           AND r.session_id = run.resumed_session);
END
$$;
COMMENT ON FUNCTION vibe._usage_of_session(vibe.runs) IS 'What earlier runs of the session that a run goes on with have used; NULL for a fresh session.';

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
               'token', token, 'revision_notes', vibe._revision_notes(t, run.branch), 'note', w.note, 'session', run.session_id,
               'resume_session', run.resumed_session, 'timeout_s', extract(epoch FROM s.timeout)::bigint,
               'budget_usd', run.reserved_usd, 'price', CASE WHEN run.reserved_usd IS NOT NULL THEN vibe._price_told(run.model, run.claimed_at) END,
               'deliverable', s.deliverable, 'traceparent', vibe._traceparent(t.id, run.id)),
           jsonb_build_object(
               'agent', a.name, 'agent_description', coalesce(a.description, ''), 'skill_path', a.skill_path, 'skills', k.lines,
               'task_id', t.id, 'title', t.title, 'description', coalesce(t.description, ''), 'keyword', t.keyword,
               'step', run.step, 'step_label', s.label, 'step_description', coalesce(s.description, ''),
               'deliverable', s.deliverable, 'project', p.name, 'project_description', coalesce(p.description, ''),
               'campaign', c.name, 'campaign_description', coalesce(c.description, ''),
               'seed_keywords', array_to_string(c.seed_keywords[1:50], ', '),
               'competitor_urls', array_to_string(c.competitor_urls[1:50], ', '),
               'focus_groups', array_to_string(c.focus_group_ids[1:50], ', '),
               'revision_notes', vibe._revision_notes(t, run.branch), 'note', w.note,
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
      LEFT JOIN vibe.campaigns c ON c.id = t.campaign_id
      LEFT JOIN vibe.work w ON w.task_id = t.id AND w.branch = run.branch
     WHERE t.id = run.task_id;
    inputs := vibe._inputs(run.task_id, run.branch, before_step);
    fields := fields || jsonb_build_object('earlier_results', vibe._earlier_results(inputs));
    RETURN launch || jsonb_build_object('inputs', inputs, 'resume_usage', vibe._usage_of_session(run), 'prompt', vibe._render_prompt(template, fields));
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
CREATE FUNCTION vibe._traceparent(task_id bigint, run_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT '00-' || md5('task ' || task_id || ' ' || (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
            || '-' || left(md5('run ' || run_id), 16) || '-01');
END
$$;
COMMENT ON FUNCTION vibe._traceparent(bigint, bigint) IS 'W3C trace context of a run: the trace is the task''s, the span the run''s.';

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
-- The verbs that give something up: whatever runs for it is stopped, whole process trees.

CREATE FUNCTION vibe.cancel_task(id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (task_id bigint, status text, runs_stopped bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(cancel_task.id);
    stopped bigint := 0;
BEGIN
    IF task.status = 'completed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is completed', task.id),
            DETAIL = format('Task "%s" was completed at %s.', left(task.title, 200), task.ended_at),
            HINT = 'Nothing is left to cancel.';
    ELSIF task.status <> 'cancelled' THEN
        stopped := vibe._cancel_tasks(ARRAY[task.id], coalesce(cancel_task.reason, 'the task was cancelled'), at);
        PERFORM vibe._record('task_cancelled', format('Task "%s" was cancelled.', left(task.title, 200)),
            jsonb_build_object('reason', cancel_task.reason, 'runs_stopped', stopped), task.project_id, task.campaign_id, task.id);
        PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT task.id, 'cancelled'::text, stopped;
END
$$;
COMMENT ON FUNCTION vibe.cancel_task(bigint, text) IS 'Gives a task up: its work is dropped and whatever runs for it is stopped, whole process trees. A second call changes nothing. Locks the task row, then the campaign row. Raises VB003, VB020 (completed), VB022.';

CREATE FUNCTION vibe.cancel_run(run_id bigint, reason text DEFAULT NULL)
    RETURNS TABLE (cancelled boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    task vibe.tasks;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = cancel_run.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(cancel_run.run_id);
    END IF;
    IF run.task_id IS NULL THEN
        PERFORM vibe._lock_chore(run.id);
    ELSE
        task := vibe._lock_task(run.task_id);
    END IF;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = cancel_run.run_id;
    IF run.closed_at IS NULL THEN
        IF run.task_id IS NOT NULL THEN
            PERFORM vibe._retreat(task, run, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), false, NULL, at);
        END IF;
        PERFORM vibe._close_run(run.id, 'cancelled', coalesce(cancel_run.reason, 'the run was cancelled'), at);
        PERFORM vibe._wake(false);
    END IF;
    RETURN QUERY SELECT run.closed_at IS NULL;
END
$$;
COMMENT ON FUNCTION vibe.cancel_run(bigint, text) IS 'Stops one run, its whole process tree; its step then waits for a person (retry_step), a heartbeat is over, and what a notifier had not sent is sent later. cancelled is false if it had ended already. Locks the task row, or the chore. Raises VB006, VB022.';

-- Raises VB020 where nothing of the branch is left to give up.
CREATE FUNCTION vibe._check_branch_cancellable(task vibe.tasks, branch text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    is_done boolean := EXISTS (SELECT 1 FROM vibe.runs r
        WHERE r.task_id = task.id AND r.branch = _check_branch_cancellable.branch AND r.outcome = 'done' AND NOT r.superseded);
BEGIN
    IF task.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = format('task %s is %s', task.id, task.status),
            DETAIL = format('Task "%s" ended at %s.', left(task.title, 200), task.ended_at),
            HINT = 'Nothing is left to cancel.';
    ELSIF is_done AND NOT EXISTS (SELECT 1 FROM vibe.work w
        WHERE w.task_id = task.id AND w.branch = _check_branch_cancellable.branch) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB020',
            MESSAGE = 'the branch is done',
            DETAIL = format('Task %s, branch %L has a result.', task.id, branch),
            HINT = format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …, branch => %L); has it done again.', task.id, branch);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_branch_cancellable(vibe.tasks, text) IS 'Raises VB020 for a branch that is done or whose task has ended.';

-- Tables written: work, runs, tasks, activities, at the task's end campaigns. Locks, in order: the task row, the
-- branch's work row, at the task's end the campaign row.
CREATE FUNCTION vibe.cancel_branch(task_id bigint, branch text, reason text DEFAULT NULL)
    RETURNS TABLE (cancelled boolean, runs_stopped bigint, next_step integer, next_agent text, task_status text, task_completed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(cancel_branch.task_id);
    given_up text := (vibe._branch_step(task, cancel_branch.branch)).branch;
    held bigint;
BEGIN
    cancelled := given_up <> ALL (task.cancelled_branches);
    runs_stopped := 0;
    task_status := task.status;
    task_completed := false;
    IF cancelled THEN
        -- A claim may be taking the row at this moment: wait for it, then see its run.
        SELECT w.run_id INTO held FROM vibe.work w WHERE w.task_id = task.id AND w.branch = given_up FOR UPDATE;
        PERFORM vibe._check_branch_cancellable(task, given_up);
        runs_stopped := count(vibe._close_run(held, 'cancelled', coalesce(cancel_branch.reason, 'the branch was cancelled'), at));
        -- What nobody had approved is no result.
        UPDATE vibe.runs r SET superseded = true WHERE r.task_id = task.id AND r.branch = given_up AND NOT r.superseded;
        UPDATE vibe.tasks t SET cancelled_branches = t.cancelled_branches || given_up, updated_at = at
         WHERE t.id = task.id
        RETURNING * INTO task;
        PERFORM vibe._record('branch_cancelled', format('Branch "%s" of task "%s" was cancelled.', given_up, left(task.title, 200)),
            jsonb_build_object('branch', given_up, 'reason', cancel_branch.reason, 'runs_stopped', runs_stopped),
            task.project_id, task.campaign_id, task.id);
        -- A task without any work is the sweep's to judge: it may have lost more than this branch.
        IF EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id) THEN
            SELECT * INTO next_step, next_agent, task_status, task_completed FROM vibe._close_branch(task, given_up, at);
        END IF;
        IF task_completed THEN
            PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.cancel_branch(bigint, text, text) IS 'Gives one branch of a task up, started or not: its run is stopped, its work dropped, and it counts as settled, so that the converging step or the task''s end waits for it no more. It stays cancelled through revisions and sweeps until retry_step(task_id, branch) opens it again. A second call changes nothing (cancelled false). Locks the task row, at the task''s end also the campaign row. Raises VB003, VB007 (no such branch), VB020 (done, or the task has ended), VB022.';
-- What may be claimed, by whom, in which order. The dispatcher's claim and the pull API's are two doors to the same
-- choice.
--
-- Order: priority first; then the campaign with the fewest runs at this moment, and among equals the next one
-- after the campaign that was served last, so that neither a big campaign nor an old one keeps another waiting;
-- then whoever has waited longest.
--
-- Limits are exact. A campaign, agent or provider with a finite limit has a lock of its own that holds until the
-- end of the transaction; its runs are counted in a new statement under that lock. It is tried and never waited
-- for: a client that claims and then sleeps in its transaction keeps nobody but its own limit.

CREATE TYPE vibe._candidate AS (
    task_id bigint, branch text, campaign_id bigint, agent_name text, runner text, provider text, reserve_usd numeric);
COMMENT ON TYPE vibe._candidate IS 'A ready step that may be claimed, the runner that would do it, and what its run would reserve (NULL: nothing).';

CREATE TYPE vibe._able_agent AS (
    agent_name text, runner text, provider text, free bigint, slots integer, run_budget_usd numeric);
COMMENT ON TYPE vibe._able_agent IS 'An agent with room for free more runs, the runner, with so many slots, that would do them, and what one of them may cost where its campaign does not say.';

CREATE FUNCTION vibe._try_lock_limit(name text)
    RETURNS boolean
    LANGUAGE c
    VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'vibe_try_lock_limit';
COMMENT ON FUNCTION vibe._try_lock_limit(text) IS 'Takes the lock of a limit until the end of the transaction; false if another transaction has it.';

-- How many runs a provider may start now. After a pause one goes first; if it was not turned away within three
-- seconds, the others follow.
CREATE FUNCTION vibe._provider_room(provider vibe.providers, live bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN (provider).paused_until > at OR (provider).probed_at + interval '3 seconds' > at THEN 0
        WHEN (provider).paused_until IS NOT NULL AND (provider).probed_at IS NULL
            THEN least(1, coalesce((provider).max_parallel, 2147483647) - live)
        ELSE coalesce((provider).max_parallel, 2147483647) - live
    END;
END;
COMMENT ON FUNCTION vibe._provider_room(vibe.providers, bigint, timestamptz) IS 'How many more runs a provider takes now, of which it has live ones; no row, no limit.';

CREATE FUNCTION vibe._provider_opens_at(provider vibe.providers, at timestamptz)
    RETURNS timestamptz
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN (provider).paused_until = 'infinity' THEN NULL
        WHEN (provider).paused_until > at THEN (provider).paused_until
        WHEN (provider).probed_at + interval '3 seconds' > at THEN (provider).probed_at + interval '3 seconds'
    END;
END;
COMMENT ON FUNCTION vibe._provider_opens_at(vibe.providers, timestamptz) IS 'When a provider that takes no runs now takes some again by itself; NULL if it does now, or waits for a person.';

-- Who may be given work now, and how much: the dispatcher's agents by the free slots of their runners, or
-- (only_agents) those that are worked elsewhere.
CREATE FUNCTION vibe._able_agents(
    runners text[], free_slots integer[], providers text[], fallbacks text[], only_agents text[], max_runs integer,
    at timestamptz
)
    RETURNS vibe._able_agent[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    has_run_budgets boolean := EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run');
BEGIN
    RETURN ARRAY(
        WITH live AS MATERIALIZED (
            SELECT r.agent_name, r.provider, count(*) AS n FROM vibe.runs r WHERE r.ended_at IS NULL GROUP BY r.agent_name, r.provider
        ), runner AS MATERIALIZED (
            SELECT own.name AS asked, used.name, used.provider,
                   least(used.free, vibe._provider_room(p, (SELECT coalesce(sum(l.n), 0)::bigint FROM live l WHERE l.provider = used.provider), at)) AS free
              FROM unnest(runners, providers, fallbacks) own(name, provider, fallback)
              LEFT JOIN vibe.providers o ON o.name = own.provider
              JOIN unnest(runners, providers, free_slots) used(name, provider, free)
                ON used.name = CASE WHEN o.paused_until > at AND own.fallback IS NOT NULL THEN own.fallback ELSE own.name END
              LEFT JOIN vibe.providers p ON p.name = used.provider
        ), agent AS (
            SELECT a.name, r.name AS runner, r.provider, r.free AS slots,
                   least(CASE WHEN only_agents IS NULL THEN r.free ELSE max_runs END,
                         a.max_parallel - (SELECT coalesce(sum(l.n), 0) FROM live l WHERE l.agent_name = a.name))::bigint AS free
              FROM vibe.current_agents a
              LEFT JOIN runner r ON only_agents IS NULL AND r.asked = a.runner
             WHERE a.paused_at IS NULL AND CASE WHEN only_agents IS NULL THEN r.free > 0 ELSE a.name = ANY (only_agents) END
        )
        SELECT (a.name, a.runner, a.provider, a.free, a.slots, CASE WHEN has_run_budgets THEN vibe._run_budget(a.name) END)::vibe._able_agent FROM agent a WHERE a.free > 0);
END
$$;
COMMENT ON FUNCTION vibe._able_agents(text[], integer[], text[], text[], text[], integer, timestamptz) IS 'Agents with room for another run, the runner and the provider it would use, and how many runs at most.';

-- What the ceilings leave to the runs of one agent for one campaign.
CREATE FUNCTION vibe._purse(
    campaign_id bigint, able vibe._able_agent, ceilings vibe._ceiling[],
    OUT reserve_usd numeric, OUT runs bigint, OUT asks_task boolean
)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    is_there boolean;
    left_usd numeric;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = _purse.campaign_id;
    SELECT count(*) > 0, min(k.amount_usd - k.spent_usd - k.reserved_usd) FILTER (WHERE k.name NOT LIKE E'daily\\_budget project %' OR _purse.campaign_id > 0)
      INTO is_there, left_usd
      FROM unnest(ceilings) k
     WHERE k.name IN ('campaign_budget ' || _purse.campaign_id, 'daily_budget database', 'daily_budget project ' || campaign.project_id,
                      'daily_budget agent ' || able.agent_name, 'daily_budget provider ' || able.provider)
        OR (_purse.campaign_id = 0 AND k.name LIKE E'daily\\_budget project %');
    reserve_usd := vibe._reserve(campaign.run_budget_usd, able.run_budget_usd, is_there, campaign.budget_usd, campaign.task_budget_usd);
    runs := CASE WHEN left_usd IS NOT NULL THEN least(greatest(floor(left_usd / reserve_usd), 0), 1000000) END;
    asks_task := campaign.task_budget_usd IS NOT NULL OR (_purse.campaign_id = 0 AND ceilings <> '{}');
END
$$;
COMMENT ON FUNCTION vibe._purse(bigint, vibe._able_agent, vibe._ceiling[]) IS 'What a run of this agent for this campaign would reserve, for how many more of them the ceilings have room (NULL: any number), and whether each task is to be asked, too.';

-- What waits for agents without room is never looked at. For every other one, and every priority that waits for it,
-- the walk goes round its campaigns from the one after last_served, one index probe each, until it has met max_runs
-- that have no run yet: those come before all others, and one step of each is enough. Over campaigns that are
-- paused it leaps to the next one at work; one whose ceiling has no room is passed by and not counted.
-- The planner cannot know how short the walk is: without jit = off it would compile for longer than that takes.
CREATE FUNCTION vibe._choose(able vibe._able_agent[], ceilings vibe._ceiling[], max_runs integer, spare integer)
    RETURNS vibe._candidate[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    -- Chores serve no campaign; the look back is short, however many of them there were.
    last_served bigint := coalesce((SELECT r.campaign_id FROM (SELECT l.* FROM vibe.runs l ORDER BY l.id DESC LIMIT 20) r
                                     WHERE r.kind = 'task' ORDER BY r.id DESC LIMIT 1), 0);
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE load AS MATERIALIZED (
            SELECT r.campaign_id, count(*) AS n FROM vibe.runs r WHERE r.ended_at IS NULL GROUP BY r.campaign_id
        ), level AS (
            SELECT a.agent_name, (SELECT w.priority FROM vibe.work w WHERE w.state = 'ready' AND w.agent_name = a.agent_name
                                   ORDER BY w.priority LIMIT 1) AS priority
              FROM unnest(able) a
            UNION ALL
            SELECT l.agent_name, (SELECT w.priority FROM vibe.work w WHERE w.state = 'ready' AND w.agent_name = l.agent_name
                                     AND w.priority > l.priority ORDER BY w.priority LIMIT 1)
              FROM level l WHERE l.priority IS NOT NULL
        ), stop AS (
            SELECT l.agent_name, l.priority, NULL::bigint AS campaign_id, last_served AS place, false AS wrapped, false AS is_open, 0 AS idle
              FROM level l WHERE l.priority IS NOT NULL
            UNION ALL
            SELECT s.agent_name, s.priority, following.campaign_id,
                   CASE WHEN c.is_open THEN following.campaign_id ELSE coalesce((
                       SELECT c.id - 1 FROM vibe.campaigns c WHERE c.id > following.campaign_id AND c.status IN ('active', 'in_revision')
                        ORDER BY c.id LIMIT 1), 9223372036854775807) END,
                   following.wrapped, m.affords,
                   s.idle + (m.affords AND following.campaign_id NOT IN (SELECT x.campaign_id FROM load x))::integer
              FROM stop s
             CROSS JOIN LATERAL (
                (SELECT w.campaign_id, s.wrapped FROM vibe.work w
                  WHERE w.state = 'ready' AND w.agent_name = s.agent_name AND w.priority = s.priority AND w.campaign_id > s.place
                  ORDER BY w.campaign_id LIMIT 1)
                UNION ALL
                (SELECT w.campaign_id, true FROM vibe.work w
                  WHERE NOT s.wrapped AND w.state = 'ready' AND w.agent_name = s.agent_name AND w.priority = s.priority
                  ORDER BY w.campaign_id LIMIT 1)
                LIMIT 1) following(campaign_id, wrapped)
             CROSS JOIN LATERAL (
                SELECT following.campaign_id = 0
                    OR (SELECT c.status IN ('active', 'in_revision') FROM vibe.campaigns c WHERE c.id = following.campaign_id) AS is_open
                OFFSET 0) c
             CROSS JOIN LATERAL (
                SELECT c.is_open AND (ceilings = '{}' OR coalesce((SELECT p.runs FROM unnest(able) a, vibe._purse(following.campaign_id, a, ceilings) p
                                                                    WHERE a.agent_name = s.agent_name), 1) > 0) AS affords
                OFFSET 0) m
             WHERE s.idle < max_runs AND NOT (following.wrapped AND following.campaign_id > last_served)
        ), lane AS (
            SELECT s.campaign_id, s.agent_name, s.priority, a.runner, a.provider, a.slots, p.reserve_usd, p.asks_task, coalesce(x.n, 0) AS load,
                   max(s.idle) OVER (PARTITION BY s.agent_name, s.priority) >= max_runs AS one_each,
                   least(a.free, (SELECT c.max_parallel FROM vibe.campaigns c WHERE c.id = s.campaign_id) - coalesce(x.n, 0), max_runs, p.runs) AS free
              FROM stop s
              JOIN unnest(able) a ON a.agent_name = s.agent_name
              LEFT JOIN load x ON x.campaign_id = s.campaign_id
             CROSS JOIN LATERAL vibe._purse(s.campaign_id, a, ceilings) p
             WHERE s.is_open
        ), candidate AS (
            SELECT l.campaign_id, l.agent_name, l.priority, l.runner, l.provider, l.slots, l.reserve_usd, first.*,
                   l.load + row_number() OVER (PARTITION BY l.campaign_id ORDER BY l.priority, first.since, first.task_id) AS turn
              FROM lane l
             CROSS JOIN LATERAL (
                SELECT w.task_id, w.branch, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority = l.priority AND w.campaign_id = l.campaign_id
                   AND NOT EXISTS (SELECT 1 FROM vibe.runs r
                                    WHERE r.task_id = w.task_id AND r.branch = w.branch AND r.ended_at IS NULL)
                   AND CASE WHEN l.asks_task THEN vibe._task_fits(w.task_id, l.reserve_usd, ceilings) ELSE true END
                 ORDER BY w.since, w.task_id
                 LIMIT CASE WHEN l.one_each THEN 1 ELSE l.free END + spare) first
             WHERE l.free > 0
        ), ranked AS (
            SELECT c.*, row_number() OVER in_order AS place FROM candidate c
            WINDOW in_order AS (ORDER BY c.priority, c.turn, c.campaign_id <= last_served, c.campaign_id, c.since, c.task_id)
        )
        SELECT (r.task_id, r.branch, r.campaign_id, r.agent_name, r.runner, r.provider, r.reserve_usd)::vibe._candidate
          FROM (SELECT r.*, row_number() OVER (PARTITION BY r.runner ORDER BY r.place) AS nth FROM ranked r) r
         WHERE r.runner IS NULL OR r.nth <= r.slots
         ORDER BY r.place LIMIT max_runs + spare);
END
$$;
COMMENT ON FUNCTION vibe._choose(vibe._able_agent[], vibe._ceiling[], integer, integer) IS 'Up to max_runs ready steps for agents with room, in the order in which they are to be claimed, and spare ones that follow, for a caller who may find some of them taken. Looks at limits without holding them.';

-- Locks: the limits of the candidates (tried). A candidate whose limit another transaction is counting at this
-- moment is left out.
CREATE FUNCTION vibe._within_limits(chosen vibe._candidate[], at timestamptz)
    RETURNS vibe._candidate[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    limits text[] := vibe._limits_of(chosen);
    held text[];
BEGIN
    IF limits = '{}' THEN
        RETURN chosen;
    END IF;
    held := ARRAY(SELECT l FROM unnest(limits) l WHERE vibe._try_lock_limit(l));
    -- A statement of its own: it sees what was claimed under these locks before.
    RETURN (
        WITH room AS (
            SELECT * FROM vibe._room(held, at)
        ), member AS (
            SELECT c.nth, l.name, l.weight
              FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, reserve_usd, nth)
             CROSS JOIN LATERAL (
                VALUES ('campaign ' || c.campaign_id, 1::numeric), ('agent ' || c.agent_name, 1), ('provider ' || c.provider, 1),
                       ('campaign_budget ' || c.campaign_id, c.reserve_usd), ('task_budget ' || c.task_id, c.reserve_usd),
                       ('daily_budget database', c.reserve_usd), ('daily_budget agent ' || c.agent_name, c.reserve_usd),
                       ('daily_budget provider ' || c.provider, c.reserve_usd),
                       ((SELECT 'daily_budget project ' || t.project_id FROM vibe.tasks t WHERE t.id = c.task_id), c.reserve_usd)) l(name, weight)
             WHERE l.name = ANY (limits)
        ), over AS (
            -- A ceiling that was set after this candidate was chosen knows no reserve of it: the next claim does.
            SELECT m.nth
              FROM (SELECT m.nth, m.name, sum(coalesce(m.weight, 'Infinity')) OVER (PARTITION BY m.name ORDER BY m.nth) AS wanted FROM member m) m
              LEFT JOIN room r ON r.name = m.name
             WHERE m.wanted > coalesce(r.free, 0)
        )
        SELECT coalesce(array_agg((c.task_id, c.branch, c.campaign_id, c.agent_name, c.runner, c.provider, c.reserve_usd)::vibe._candidate ORDER BY c.nth), '{}')
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, reserve_usd, nth)
         WHERE c.nth NOT IN (SELECT o.nth FROM over o));
END
$$;
COMMENT ON FUNCTION vibe._within_limits(vibe._candidate[], timestamptz) IS 'Of the candidates those that every finite limit of theirs has room for, counted under its lock.';

CREATE FUNCTION vibe._limits_of(chosen vibe._candidate[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT 'campaign ' || c.id FROM vibe.campaigns c
         WHERE c.max_parallel IS NOT NULL AND c.id IN (SELECT x.campaign_id FROM unnest(chosen) x)
        UNION ALL
        SELECT 'agent ' || a.name FROM vibe.current_agents a
         WHERE a.max_parallel IS NOT NULL AND a.name IN (SELECT x.agent_name FROM unnest(chosen) x)
        UNION ALL
        SELECT 'provider ' || p.name FROM vibe.providers p
         WHERE (p.max_parallel IS NOT NULL OR p.paused_until IS NOT NULL) AND p.name IN (SELECT x.provider FROM unnest(chosen) x)
        UNION ALL
        SELECT 'campaign_budget ' || c.id FROM vibe.campaigns c
         WHERE c.budget_usd IS NOT NULL AND c.id IN (SELECT x.campaign_id FROM unnest(chosen) x)
        UNION ALL
        SELECT DISTINCT 'task_budget ' || x.task_id FROM unnest(chosen) x JOIN vibe.campaigns c ON c.id = x.campaign_id
         WHERE c.task_budget_usd IS NOT NULL
        UNION ALL
        SELECT concat_ws(' ', 'daily_budget', b.scope, nullif(b.key, '')) FROM vibe.budgets b
         WHERE b.period = 'day' AND CASE b.scope
            WHEN 'database' THEN true
            WHEN 'agent' THEN b.key IN (SELECT x.agent_name FROM unnest(chosen) x)
            WHEN 'provider' THEN b.key IN (SELECT x.provider FROM unnest(chosen) x)
            ELSE b.key IN (SELECT t.project_id::text FROM unnest(chosen) x JOIN vibe.tasks t ON t.id = x.task_id) END);
END
$$;
COMMENT ON FUNCTION vibe._limits_of(vibe._candidate[]) IS 'Names of the finite limits that candidates fall under.';

CREATE FUNCTION vibe._room(limits text[], at timestamptz)
    RETURNS TABLE (name text, free numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH live AS MATERIALIZED (
            SELECT r.campaign_id, r.agent_name, r.provider, count(*) AS n FROM vibe.runs r
             WHERE r.ended_at IS NULL GROUP BY r.campaign_id, r.agent_name, r.provider
        )
        SELECT l.name, CASE l.kind
            WHEN 'campaign' THEN (SELECT c.max_parallel FROM vibe.campaigns c WHERE c.id = l.key::bigint)
                - (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.campaign_id = l.key::bigint)
            WHEN 'agent' THEN (SELECT a.max_parallel FROM vibe.current_agents a WHERE a.name = l.key)
                - (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.agent_name = l.key)
            ELSE (SELECT vibe._provider_room(p, (SELECT coalesce(sum(v.n), 0)::bigint FROM live v WHERE v.provider = l.key), at)
                    FROM vibe.providers p WHERE p.name = l.key) END::numeric
          FROM (SELECT n AS name, split_part(n, ' ', 1) AS kind, substr(n, strpos(n, ' ') + 1) AS key FROM unnest(limits) n
                 WHERE n NOT LIKE E'%\\_budget %') l
         UNION ALL
        SELECT c.name, c.amount_usd - c.spent_usd - c.reserved_usd FROM vibe._ceilings(limits, at) c;
END
$$;
COMMENT ON FUNCTION vibe._room(text[], timestamptz) IS 'What each of these limits allows at this moment: how many more runs or, of a ceiling, how many US dollars.';

CREATE FUNCTION vibe._candidate_by_hand(item vibe.work)
    RETURNS vibe._candidate
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = item.campaign_id;
    RETURN (item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, NULL,
        vibe._reserve(campaign.run_budget_usd, vibe._run_budget(item.agent_name),
            EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day'), campaign.budget_usd, campaign.task_budget_usd))::vibe._candidate;
END
$$;
COMMENT ON FUNCTION vibe._candidate_by_hand(vibe.work) IS 'One step as a candidate without a runner, with what its run would reserve.';

-- Tables written: none; locks max_runs work rows that are still ready. What somebody else has locked is left out.
CREATE FUNCTION vibe._take(chosen vibe._candidate[], max_runs integer)
    RETURNS TABLE (taken vibe.work, runner text, provider text, reserve_usd numeric)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT w, c.runner, c.provider, c.reserve_usd
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, reserve_usd, nth)
          JOIN vibe.work w ON w.task_id = c.task_id AND w.branch = c.branch
         WHERE w.state = 'ready' AND w.agent_name = c.agent_name
         ORDER BY c.nth LIMIT max_runs
           FOR UPDATE OF w SKIP LOCKED;
END
$$;
COMMENT ON FUNCTION vibe._take(vibe._candidate[], integer) IS 'Locks the work rows of the first max_runs candidates, skipping those that are locked or not ready any more.';

-- Tables written: runs, work, providers. The work row is locked by the caller.
CREATE FUNCTION vibe._open_run(item vibe.work, runner text, provider text, reserve_usd numeric, token text, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    by_hand boolean := runner IS NULL;
    resumed text;
BEGIN
    IF NOT by_hand THEN
        resumed := (SELECT vibe._session_to_resume(t.id, item.branch, item.step, t.revision_count) FROM vibe.tasks t WHERE t.id = item.task_id);
    END IF;
    INSERT INTO vibe.runs AS r (task_id, branch, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                reserved_usd, token_hash, claimed_at, started_at, renewed_at, session_id, resumed_session)
    SELECT item.task_id, item.branch, item.campaign_id, item.step, item.attempts + 1, t.revision_count, item.agent_name,
           coalesce(s.model, a.default_model), _open_run.runner, _open_run.provider, CASE WHEN by_hand THEN 'hand' ELSE 'dispatcher' END,
           reserve_usd, vibe._token_hash(token), at, CASE WHEN by_hand THEN at END, CASE WHEN by_hand THEN at END,
           CASE WHEN NOT by_hand THEN coalesce(resumed, gen_random_uuid()::text) END, resumed
      FROM vibe.tasks t
      JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = item.branch AND s.step = item.step
      JOIN vibe.current_agents a ON a.name = item.agent_name
     WHERE t.id = item.task_id
    RETURNING r.* INTO STRICT run;
    UPDATE vibe.work w SET state = 'held', waiting_for = NULL, ready_at = NULL, run_id = run.id, since = at
     WHERE w.task_id = item.task_id AND w.branch = item.branch;
    UPDATE vibe.providers p SET probed_at = at
     WHERE p.name = _open_run.provider AND p.paused_until <= at AND p.probed_at IS NULL;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._open_run(vibe.work, text, text, numeric, text, timestamptz) IS 'Opens the run that holds a work row: held by hand where runner is NULL, else dispatched.';
-- Verbs that change by hand where a task stands, or end it: set_task_status(), cancel_tasks(), delete_task().

-- Tables written: work, runs, tasks, campaigns, activities. Locks, in order: the task row (by the caller), its work
-- and runs, the campaign row.
CREATE FUNCTION vibe._end_task(task vibe.tasks, status text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    held bigint[];
    stopped bigint;
BEGIN
    WITH gone AS (
        DELETE FROM vibe.work w WHERE w.task_id = task.id RETURNING w.run_id
    )
    SELECT coalesce(array_agg(g.run_id ORDER BY g.run_id), '{}') INTO held FROM gone g WHERE g.run_id IS NOT NULL;
    SELECT count(vibe._close_run(i, 'cancelled', format('the task was set to %s', _end_task.status), at)) INTO stopped FROM unnest(held) i;
    UPDATE vibe.tasks t SET status = _end_task.status, step = NULL, rejection_notes = NULL, ended_at = at, updated_at = at
     WHERE t.id = task.id;
    PERFORM vibe._record('task_' || _end_task.status, format('Task "%s" was set to %s by hand.', left(task.title, 200), _end_task.status),
        jsonb_build_object('reason', reason, 'runs_stopped', stopped), task.project_id, task.campaign_id, task.id);
    PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    RETURN stopped;
END
$$;
COMMENT ON FUNCTION vibe._end_task(vibe.tasks, text, text, timestamptz) IS 'Ends a locked task in a final status: drops its work, stops its runs, and ends the campaign with its last open task.';

-- Locks: the main line's work row, so that no claim takes it meanwhile.
CREATE FUNCTION vibe._main_line_at_rest(task vibe.tasks)
    RETURNS vibe.work
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE;
    IF item.state = 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB010',
            MESSAGE = 'the step is being done now',
            DETAIL = format('Run %s holds step %s of task %s and will say what becomes of it.', item.run_id, item.step, task.id),
            HINT = format('Wait for its end, or SELECT * FROM vibe.cancel_run(%s) first.', item.run_id);
    END IF;
    RETURN item;
END
$$;
COMMENT ON FUNCTION vibe._main_line_at_rest(vibe.tasks) IS 'The main line''s work row, locked; all NULL where only branches are left. Raises VB010 while a run holds it.';

-- Tables written: work, tasks, activities. A main line that waits for an approval or for branches would lose what it
-- waits for, and starts nothing by itself anyhow.
CREATE FUNCTION vibe._park(task vibe.tasks, item vibe.work, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF item.task_id IS NULL OR item.waiting_for IN ('approval', 'branches') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('task %s has no step that could be blocked', task.id),
            DETAIL = CASE WHEN task.ended_at IS NOT NULL THEN format('It is %s.', task.status)
                WHEN item.task_id IS NULL THEN 'Its main line is done; only branches are left.'
                ELSE format('Step %s waits for %s already.', item.step, item.waiting_for) END,
            HINT = CASE WHEN task.ended_at IS NULL THEN format('SELECT * FROM vibe.cancel_task(%s) gives it up.', task.id)
                ELSE format('SELECT * FROM vibe.request_revision(%s, notes) opens it again.', task.id) END;
    END IF;
    UPDATE vibe.work w SET state = 'waiting', waiting_for = 'person', ready_at = NULL, since = at
     WHERE w.task_id = task.id AND w.branch = '';
    RETURN vibe._block(task, '', coalesce(reason, 'it was set to blocked by hand'), at);
END
$$;
COMMENT ON FUNCTION vibe._park(vibe.tasks, vibe.work, text, timestamptz) IS 'Makes the main line wait for a person. Raises VB033 where there is none, or it waits for an approval or for branches.';

-- Tables written: work, tasks, activities. Leaving blocked makes the step ready, with fresh attempts.
CREATE FUNCTION vibe._restate(task vibe.tasks, item vibe.work, status text, reason text, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF task.status = 'blocked' AND item.waiting_for = 'person' THEN
        UPDATE vibe.work w
           SET state = 'ready', waiting_for = NULL, ready_at = NULL, attempts = 0, retries = 0, since = at,
               note = coalesce(reason, w.note)
         WHERE w.task_id = task.id AND w.branch = '';
    END IF;
    UPDATE vibe.tasks t SET status = _restate.status, updated_at = at WHERE t.id = task.id;
    RETURN vibe._record('task_status_changed', format('Task "%s" went from %s to %s by hand.', left(task.title, 200), task.status, _restate.status),
        jsonb_build_object('from', task.status, 'to', _restate.status, 'reason', reason), task.project_id, task.campaign_id, task.id);
END
$$;
COMMENT ON FUNCTION vibe._restate(vibe.tasks, vibe.work, text, text, timestamptz) IS 'Gives an open task another status that is neither final nor blocked.';

CREATE FUNCTION vibe.set_task_status(id bigint, status text, reason text DEFAULT NULL)
    RETURNS SETOF vibe.task_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks;
BEGIN
    PERFORM vibe._check_task_status('status', set_task_status.status);
    task := vibe._lock_task(set_task_status.id);
    IF task.status <> set_task_status.status THEN
        PERFORM vibe._require_transition(task.id, task.status, set_task_status.status);
        IF set_task_status.status = 'cancelled' THEN
            PERFORM vibe.cancel_task(task.id, set_task_status.reason);
        ELSIF set_task_status.status = 'revision_needed' AND task.status <> 'blocked' THEN
            PERFORM vibe.request_revision(task.id, set_task_status.reason);
        ELSIF (SELECT s.is_final FROM vibe.task_statuses s WHERE s.status = set_task_status.status) THEN
            PERFORM vibe._end_task(task, set_task_status.status, set_task_status.reason, at);
        ELSIF set_task_status.status = 'blocked' OR task.ended_at IS NOT NULL THEN
            PERFORM vibe._park(task, vibe._main_line_at_rest(task), set_task_status.reason, at);
        ELSE
            PERFORM vibe._restate(task, vibe._main_line_at_rest(task), set_task_status.status, set_task_status.reason, at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT * FROM vibe._task_infos(ARRAY[task.id]);
END
$$;
COMMENT ON FUNCTION vibe.set_task_status(bigint, text, text) IS 'Sets by hand where a task stands. cancelled is cancel_task(); revision_needed is request_revision() with reason as its notes; completed, or another final status, ends the task: its work is dropped, what runs for it is stopped, and its campaign ends with its last open task; blocked makes the main line wait for a person; a change from blocked to an open status makes that step ready again with fresh attempts, reason being the note for its next run; any other change moves nothing in the pipeline. The status it has already changes nothing. Locks the task row, at the task''s end also the campaign row. Raises VB003, VB010 (a run is at its main line), VB020 (illegal change: DETAIL names the legal ones), VB021 (campaign ended), VB022, VB030, VB033 (blocked: the main line is done, or waits already).';

-- Tables written: tasks, and what hangs on it: work, runs, assignees, subscribers; campaigns, activities. Locks, in
-- order: the task row, its work rows (a claim may be taking one at this moment: then its run is seen), the campaign row.
CREATE FUNCTION vibe.delete_task(id bigint)
    RETURNS TABLE (task_id bigint, title text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    task vibe.tasks := vibe._lock_task(delete_task.id);
    alive text;
BEGIN
    PERFORM 1 FROM vibe.work w WHERE w.task_id = task.id ORDER BY w.branch FOR UPDATE;
    SELECT string_agg(r.id::text, ', ' ORDER BY r.id) INTO alive FROM vibe.runs r
     WHERE r.task_id = task.id AND r.ended_at IS NULL;
    IF alive IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = format('task %s still has a run', task.id),
            DETAIL = format('Run %s is running, or its process has not ended yet.', alive),
            HINT = format('SELECT * FROM vibe.cancel_task(%s), and delete it when vibe.now shows it no more.', task.id);
    END IF;
    DELETE FROM vibe.tasks t WHERE t.id = task.id;
    PERFORM vibe._record('task_deleted', format('Task "%s" was deleted.', left(task.title, 200)),
        jsonb_build_object('number', task.number, 'status', task.status), task.project_id, task.campaign_id, task.id);
    PERFORM vibe._finish_campaign(coalesce(task.campaign_id, 0), at);
    PERFORM vibe._wake(false);
    RETURN QUERY SELECT task.id, task.title;
END
$$;
COMMENT ON FUNCTION vibe.delete_task(bigint) IS 'Removes a task with its runs, and so what they cost; published files stay. Its campaign ends if all that are left have ended. Locks the task row, its work, then the campaign row. Raises VB003, VB022, VB033 (a step runs, or a process of it has not ended).';

-- Open tasks that a filter names, by the narrowest of its keys; only one of the arms is ever executed.
CREATE FUNCTION vibe._filtered_tasks(filter jsonb)
    RETURNS bigint[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ids bigint[] := vibe._ids_field(filter, 'task_ids');
    project bigint := vibe._id_field(filter, 'project_id');
    campaign bigint := vibe._id_field(filter, 'campaign_id');
    agent text := vibe._text_field(filter, 'agent_name', NULL);
    found_ids bigint[];
BEGIN
    IF ids IS NOT NULL THEN
        found_ids := ids;
    ELSIF campaign IS NOT NULL THEN
        found_ids := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.campaign_id = campaign AND t.ended_at IS NULL);
    ELSIF agent IS NOT NULL THEN
        found_ids := ARRAY(SELECT DISTINCT w.task_id FROM vibe.work w WHERE w.agent_name = agent);
    ELSE
        found_ids := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.project_id = coalesce(project, t.project_id) AND t.ended_at IS NULL);
    END IF;
    RETURN ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id = ANY (found_ids) AND t.project_id = coalesce(project, t.project_id)
          AND (campaign IS NULL OR t.campaign_id = campaign)
          AND (agent IS NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = t.id AND w.agent_name = agent)));
END
$$;
COMMENT ON FUNCTION vibe._filtered_tasks(jsonb) IS 'The ids of tasks that a filter names by ids, project, campaign and agent. Raises VB030.';

-- Tables written: tasks, work, runs, campaigns, activities. Locks, in order: the tasks, ids ascending; their work and
-- runs; the campaign rows, ids ascending. What a verb changed meanwhile is looked at again under the lock.
CREATE FUNCTION vibe.cancel_tasks(filter jsonb, reason text DEFAULT NULL)
    RETURNS TABLE (tasks_cancelled bigint, runs_stopped bigint, campaigns_completed bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    wanted_status text;
    wanted_priority text;
    found_ids bigint[];
    locked bigint[];
BEGIN
    PERFORM vibe._check_fields('filter', filter, ARRAY['project_id', 'campaign_id', 'status', 'agent_name', 'priority', 'task_ids']);
    IF filter = '{}' THEN
        PERFORM vibe._invalid_argument('filter', filter::text, 'Name what is to be cancelled: project_id, campaign_id, status, agent_name, priority or task_ids.');
    END IF;
    wanted_status := CASE WHEN filter ? 'status' THEN vibe._check_task_status('status', vibe._text_field(filter, 'status', NULL)) END;
    wanted_priority := CASE WHEN filter ? 'priority' THEN vibe._check_priority(vibe._text_field(filter, 'priority', NULL)) END;
    IF filter ? 'agent_name' THEN
        PERFORM vibe._check_agents(ARRAY[vibe._text_field(filter, 'agent_name', NULL)]);
    END IF;
    found_ids := vibe._filtered_tasks(filter);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id = ANY (found_ids) AND t.ended_at IS NULL
          AND t.status = coalesce(wanted_status, t.status) AND t.priority = coalesce(wanted_priority, t.priority)
        ORDER BY t.id FOR NO KEY UPDATE);
    runs_stopped := vibe._cancel_tasks(locked, coalesce(cancel_tasks.reason, 'the task was cancelled'), at);
    tasks_cancelled := cardinality(locked);
    INSERT INTO vibe.activities (at, kind, actor, project_id, campaign_id, task_id, message, detail)
    SELECT at, 'task_cancelled', vibe._actor(), t.project_id, t.campaign_id, t.id,
           format('Task "%s" was cancelled.', left(t.title, 200)), jsonb_build_object('reason', cancel_tasks.reason)
      FROM vibe.tasks t WHERE t.id = ANY (locked) ORDER BY t.id;
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.campaign_id, at)) INTO campaigns_completed
      FROM (SELECT DISTINCT t.campaign_id FROM vibe.tasks t
             WHERE t.id = ANY (locked) AND t.campaign_id IS NOT NULL ORDER BY t.campaign_id) c;
    PERFORM vibe._wake(false);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.cancel_tasks(jsonb, text) IS 'Cancels all open tasks that every key of filter fits: project_id, campaign_id, status, priority, task_ids (an array), agent_name (an agent that a step of theirs is ready, running or waiting for). What runs for them is stopped, whole process trees. Locks the tasks, ids ascending, then their campaigns. Raises VB004 (agent), VB022, VB030 (an empty filter, another key, invalid value).';
-- Verbs of the dispatcher: the only SQL that its C code runs. Each is one short transaction. The dispatcher needs
-- no token; what it says about a run counts only while that run still holds its step.

CREATE FUNCTION vibe._is_home()
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity = vibe._home_identity());
END
$$;
COMMENT ON FUNCTION vibe._is_home() IS 'Whether this server is noted as the home of the data: what may start runs, or judge those of a dispatcher.';

CREATE FUNCTION vibe._is_draining()
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.home h WHERE h.draining_since IS NOT NULL);
END
$$;
COMMENT ON FUNCTION vibe._is_draining() IS 'Whether drain() keeps everything from being claimed.';

-- Tables written: work, runs, providers, chores, deliveries; at a ceiling budget_crossings, activities. Locks: the limits that are in
-- play (tried, never waited for), the taken work rows or chore (SKIP LOCKED), no task row; verbs that hold a task row wait for
-- the work row a moment and then see the new run.
CREATE FUNCTION vibe._claim_runs(
    runners text[], free_slots integer[], max_runs integer, providers text[] DEFAULT NULL, fallbacks text[] DEFAULT NULL
)
    RETURNS TABLE (run_id bigint, runner text, run jsonb, more boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    ceilings vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    item record;
    token text;
    new_run vibe.runs;
BEGIN
    -- Whoever claims must know that this is the data's home, also in the middle of a restore.
    IF NOT vibe._is_home() OR vibe._is_draining() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT c.run_id, c.runner, c.run, true FROM vibe._claim_chore(runners, free_slots, providers, fallbacks, at) c;
    IF FOUND THEN
        RETURN;
    END IF;
    ceilings := vibe._ceilings_in_play(at);
    chosen := vibe._choose(vibe._able_agents(runners, free_slots, providers, fallbacks, NULL, max_runs, at), ceilings, max_runs, 0);
    PERFORM vibe._note_crossings(ceilings, runners, providers, at);
    within := vibe._within_limits(chosen, at);
    more := cardinality(within) < cardinality(chosen);
    FOR item IN SELECT * FROM vibe._take(within, max_runs) LOOP
        token := vibe._new_token();
        new_run := vibe._open_run(item.taken, item.runner, item.provider, item.reserve_usd, token, at);
        run_id := new_run.id;
        runner := item.runner;
        run := vibe._launch(new_run, token);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._claim_runs(text[], integer[], integer, text[], text[]) IS 'Takes up to max_runs ready steps, at most free_slots[i] for runners[i], whose provider and whose stand-in while that is paused are providers[i] and fallbacks[i]. After the commit these runs are launching. A chore that is due goes first, and alone. more: another call may find others.';

CREATE FUNCTION vibe._unclaim_paused(run_ids bigint[])
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    given_up bigint[];
BEGIN
    -- A run whose task was deleted is not there any more.
    given_up := ARRAY(SELECT i FROM unnest(run_ids) i
                        LEFT JOIN vibe.runs r ON r.id = i
                        LEFT JOIN vibe.campaigns c ON c.id = r.campaign_id
                        LEFT JOIN vibe.current_agents a ON a.name = r.agent_name
                        LEFT JOIN vibe.providers p ON p.name = r.provider
                       WHERE r.id IS NULL OR r.closed_at IS NOT NULL OR c.status NOT IN ('active', 'in_revision')
                          OR a.paused_at IS NOT NULL OR p.paused_until > at OR vibe._is_draining());
    IF given_up = '{}' THEN
        RETURN;
    END IF;
    PERFORM vibe._lock_runs(given_up);
    PERFORM vibe._unclaim_chores(given_up);
    PERFORM vibe._put_back(given_up, 'it was paused before the start', at);
    UPDATE vibe.runs r SET ended_at = at WHERE r.id = ANY (given_up) AND r.ended_at IS NULL;
    RETURN QUERY SELECT unnest(given_up);
END
$$;
COMMENT ON FUNCTION vibe._unclaim_paused(bigint[]) IS 'Of runs that were claimed but not started: those that may not start any more. They are put back or stay closed, and have ended.';

CREATE FUNCTION vibe._mark_started(run_ids bigint[], pids integer[], pid_starts bigint[], boot_id text, pid_ns text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    marked bigint;
BEGIN
    UPDATE vibe.runs r
       SET started_at = at, pid = p.pid, pid_start = p.pid_start,
           boot_id = _mark_started.boot_id, pid_ns = _mark_started.pid_ns
      FROM unnest(run_ids, pids, pid_starts) p(run_id, pid, pid_start)
     WHERE r.id = p.run_id AND r.ended_at IS NULL;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END
$$;
COMMENT ON FUNCTION vibe._mark_started(bigint[], integer[], bigint[], text, text) IS 'Records the supervisor processes of runs that were started.';

CREATE FUNCTION vibe._live_runs(only_closed boolean)
    RETURNS TABLE (run_id bigint, closed boolean, outcome text, pid integer, pid_start bigint, boot_id text, pid_ns text,
                   runner text, task_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT r.id, r.closed_at IS NOT NULL, r.outcome, r.pid, r.pid_start, r.boot_id, r.pid_ns, r.runner, r.task_id, r.branch
      FROM vibe.runs r
     WHERE NOT only_closed AND r.ended_at IS NULL AND r.started_by = 'dispatcher' AND vibe._is_home()
    UNION ALL
    SELECT r.id, true, r.outcome, r.pid, r.pid_start, r.boot_id, r.pid_ns, r.runner, r.task_id, r.branch
      FROM vibe.runs r
     WHERE only_closed AND r.ended_at IS NULL AND r.closed_at IS NOT NULL;
END;
COMMENT ON FUNCTION vibe._live_runs(boolean) IS 'Dispatched runs whose process has no recorded end: all of them (none in a copy, where they are not ours to judge), or those that are closed already.';

CREATE FUNCTION vibe._promote_due()
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := vibe._begin_verb();
    promoted bigint;
BEGIN
    WITH due AS (
        SELECT w.task_id, w.branch FROM vibe.work w
         WHERE w.waiting_for = 'back_off' AND w.ready_at <= at
         ORDER BY w.ready_at LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE vibe.work w SET state = 'ready', waiting_for = NULL, ready_at = NULL, since = at
      FROM due d WHERE w.task_id = d.task_id AND w.branch = d.branch;
    GET DIAGNOSTICS promoted = ROW_COUNT;
    RETURN promoted;
END
$$;
COMMENT ON FUNCTION vibe._promote_due() IS 'Makes steps ready whose back-off is over, 1000 at most.';

CREATE FUNCTION vibe._next_due()
    RETURNS timestamptz
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    -- A chore or message that is due and was not taken waits for a slot, a limit, or a runner: not for a time.
    SELECT least((SELECT w.ready_at FROM vibe.work w WHERE w.waiting_for = 'back_off' ORDER BY w.ready_at LIMIT 1),
                 (SELECT min(vibe._provider_opens_at(p, vibe.clock())) FROM vibe.providers p),
                 (SELECT (x.day + 1)::timestamp AT TIME ZONE 'UTC' FROM vibe.budget_crossings x
                   WHERE x.name LIKE E'daily\\_budget %' AND x.day = vibe._day(vibe.clock()) LIMIT 1),
                 (SELECT min(c.ready_at) FROM vibe.chores c WHERE c.run_id IS NULL AND c.ready_at > vibe.clock()),
                 (SELECT d.next_attempt_at FROM vibe.deliveries d
                   WHERE d.state = 'pending' AND d.next_attempt_at > vibe.clock() ORDER BY d.next_attempt_at LIMIT 1));
END;
COMMENT ON FUNCTION vibe._next_due() IS 'When the next back-off, pause of a provider, or probe of one is over, or the day whose ceiling was reached, or the next chore or message is due.';

CREATE FUNCTION vibe._read_record(record text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parsed jsonb;
BEGIN
    parsed := record::jsonb;
    IF jsonb_typeof(parsed) = 'object' AND EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = parsed ->> 'outcome') THEN
        RETURN parsed;
    END IF;
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record names no outcome');
EXCEPTION WHEN data_exception OR statement_too_complex OR program_limit_exceeded THEN
    RETURN jsonb_build_object('outcome', 'bad_result', 'error', 'the exit record cannot be read: ' || left(SQLERRM, 200));
END
$$;
COMMENT ON FUNCTION vibe._read_record(text) IS 'An exit record as JSON; one that cannot be read counts as bad_result.';

CREATE FUNCTION vibe._publish_path(task vibe.tasks, run vibe.runs)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT p.root_path || '/projects/' || p.slug || '/campaigns/' || coalesce(c.slug, 'none') || '/' || s.output_dir || '/'
               || vibe._output_slug(task, run.branch) || '.md'
          FROM vibe.projects p
          LEFT JOIN vibe.campaigns c ON c.id = task.campaign_id
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step
         WHERE p.id = task.project_id);
END
$$;
COMMENT ON FUNCTION vibe._publish_path(vibe.tasks, vibe.runs) IS 'Where the output file of a run is published; NULL without a root_path or an output_dir.';

-- What a run's record does to its task. A result that breaks a rule (a score of 900, a step that is not there) is
-- undone as a whole and counts as bad_result; a lock that could not be had or a full disk is not the record's fault.
CREATE FUNCTION vibe._judge(task vibe.tasks, run vibe.runs, record jsonb, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    outcome text := record ->> 'outcome';
    error text := record ->> 'error';
    result jsonb := CASE WHEN jsonb_typeof(record -> 'result') = 'object' THEN record -> 'result' ELSE '{}' END;
    retry_after interval;
BEGIN
    IF vibe._amount(record -> 'retry_after_s') IS NOT NULL THEN
        retry_after := make_interval(secs => least(vibe._amount(record -> 'retry_after_s'), 30 * 86400)::double precision);
    END IF;
    BEGIN
        IF outcome = 'done' THEN
            PERFORM vibe._complete(task, run, nullif(result -> 'output', 'null'), (result ->> 'score')::numeric,
                result ->> 'output_path', result ->> 'summary', record, at);
            PERFORM vibe._provider_works(run);
            RETURN outcome;
        ELSIF outcome = 'revise' THEN
            PERFORM vibe._revise(task, run,
                vibe._revision_target(task, vibe._revision_limit(task, run, run.branch), (result ->> 'target_step')::integer),
                coalesce(nullif(btrim(result ->> 'notes'), ''), nullif(btrim(result ->> 'summary'), ''), 'no notes were given'),
                false, result ->> 'summary', (result ->> 'score')::numeric, record, at);
            RETURN outcome;
        END IF;
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure
        OR insufficient_resources OR operator_intervention OR system_error THEN
        RAISE;
    WHEN OTHERS THEN
        outcome := 'bad_result';
        error := format('its result was refused: %s (%s)', left(SQLERRM, 500), SQLSTATE);
    END;
    IF vibe._is_the_providers(run, outcome, record) THEN
        PERFORM vibe._pause_after(run, outcome, coalesce(vibe._reset_time(record, at), at + retry_after), error, at);
        PERFORM vibe._free_work(ARRAY[run.id], at);
    ELSE
        PERFORM vibe._retreat(task, run, outcome, error, coalesce(record -> 'permanent' = 'true', false), retry_after, at);
    END IF;
    PERFORM vibe._close_run(run.id, outcome, error, at);
    RETURN outcome;
END
$$;
COMMENT ON FUNCTION vibe._judge(vibe.tasks, vibe.runs, jsonb, timestamptz) IS 'Closes an open run by its exit record and moves its task accordingly; returns the outcome that counts.';

-- Tables written: runs, work, tasks, campaigns, activities. Locks, in order: the task row, at its end the campaign;
-- for a chore's run see _finish_chore().
CREATE FUNCTION vibe._finish_run(run_id bigint, record text)
    RETURNS TABLE (accepted boolean, publish_path text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    parsed jsonb := vibe._read_record(_finish_run.record);
    task vibe.tasks;
    run vibe.runs;
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = _finish_run.run_id AND r.task_id IS NULL) THEN
        RETURN QUERY SELECT vibe._finish_chore(_finish_run.run_id, parsed, at), NULL::text;
        RETURN;
    END IF;
    SELECT t.* INTO task FROM vibe.tasks t
     WHERE t.id = (SELECT r.task_id FROM vibe.runs r WHERE r.id = _finish_run.run_id) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- Its task was deleted: nothing to record, and nothing to publish.
        RETURN QUERY SELECT false, NULL::text;
        RETURN;
    END IF;
    SELECT * INTO STRICT run FROM vibe.runs r WHERE r.id = _finish_run.run_id;
    IF run.closed_at IS NULL AND vibe._holds_its_step(run) THEN
        PERFORM vibe._judge(task, run, parsed, at);
    ELSIF run.closed_at IS NULL THEN
        PERFORM vibe._close_run(run.id, 'lost', 'it did not hold its step any more', at);
    END IF;
    IF run.ended_at IS NULL THEN
        SELECT * INTO STRICT run FROM vibe.runs r WHERE r.id = _finish_run.run_id;
        IF run.ended_at IS NULL THEN
            run := vibe._end_run(run.id, NULL, parsed, at);
        END IF;
        PERFORM vibe._wake(true);
    END IF;
    RETURN QUERY SELECT run.outcome IN ('done', 'revise'),
        CASE WHEN run.outcome = 'revise' OR (run.outcome = 'done' AND NOT run.superseded) THEN vibe._publish_path(task, run) END;
END
$$;
COMMENT ON FUNCTION vibe._finish_run(bigint, text) IS 'The end of a dispatched run''s process, told by its exit record. Decides the run if its token has not done so; else only exit, usage, cost and tails are filled in. Repeating it changes nothing. publish_path is where a staged output file belongs.';

-- Locks: the chores, then the tasks, ids ascending. For several ends in one transaction: a task's end also takes the
-- campaign's lock, and whoever holds that must not wait for a task. Chores go first, since an agent's verb holds its
-- heartbeat when it comes to a task.
CREATE FUNCTION vibe._lock_runs(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM vibe.chores c WHERE c.run_id = ANY (run_ids) ORDER BY c.name FOR UPDATE;
    RETURN cardinality(ARRAY(SELECT t.id FROM vibe.tasks t
        WHERE t.id IN (SELECT r.task_id FROM vibe.runs r WHERE r.id = ANY (run_ids))
        ORDER BY t.id FOR NO KEY UPDATE));
END
$$;
COMMENT ON FUNCTION vibe._lock_runs(bigint[]) IS 'Locks the chores and tasks of runs that are about to be finished together; returns how many tasks.';

-- A home is noted by the first activation, so that a dump carries it and its copy knows. A dispatcher must not note
-- it: it may see a database while that is being restored.
CREATE FUNCTION vibe._note_home()
    RETURNS text
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    INSERT INTO vibe.home (identity, since)
    SELECT vibe._home_identity(), vibe.clock()
     WHERE NOT EXISTS (SELECT 1 FROM vibe.home)
    ON CONFLICT ON CONSTRAINT home_pkey DO NOTHING
    RETURNING identity;
END;
COMMENT ON FUNCTION vibe._note_home() IS 'Makes this server the home of the data, if it has none yet.';

CREATE FUNCTION vibe._attach_dispatcher()
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity <> vibe._home_identity()) THEN 'foreign' ELSE 'home' END;
END
$$;
COMMENT ON FUNCTION vibe._attach_dispatcher() IS 'foreign if this data has its home elsewhere, else home.';

CREATE FUNCTION vibe.take_over()
    RETURNS TABLE (identity text, runs_lost bigint)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    lost bigint := 0;
    here text := vibe._home_identity();
BEGIN
    PERFORM vibe._note_home();
    -- One take-over at a time; nobody else writes this row.
    PERFORM 1 FROM vibe.home h WHERE h.identity <> here FOR UPDATE;
    IF FOUND THEN
        lost := vibe._lose_dispatched_runs('the database lives on another server now', false, at);
        PERFORM vibe._drop_deliveries('the database lives on another server now: its former home may have sent it');
        UPDATE vibe.home h SET identity = here, since = at, draining_since = NULL;
        PERFORM vibe._record('taken_over', 'This server took the data over.', jsonb_build_object('runs_lost', lost), NULL, NULL);
    END IF;
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT here, lost;
END
$$;
COMMENT ON FUNCTION vibe.take_over() IS 'Makes this server the home of a copied database: runs of the former home are lost and their steps ready again, without using up attempts, and its dispatcher starts agents. Notifications that were still to be sent are dropped: the former home may have sent them. Call it only when the former home starts none any more. Raises VB022.';

-- Tables written: work, runs, chores, deliveries, activities. Locks, in order: the chores; the tasks, ids ascending;
-- their work; their runs.
CREATE FUNCTION vibe._lose_dispatched_runs(reason text, skip_busy boolean, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted bigint[] := ARRAY(SELECT DISTINCT r.task_id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
    chores bigint[] := vibe._lock_chores(skip_busy);
    locked bigint[];
    live bigint[];
BEGIN
    IF skip_busy THEN
        locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (wanted) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED);
    ELSE
        locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id = ANY (wanted) ORDER BY t.id FOR NO KEY UPDATE);
    END IF;
    live := ARRAY(SELECT r.id FROM vibe.runs r
                   WHERE (r.task_id = ANY (locked) OR r.id = ANY (chores)) AND r.ended_at IS NULL AND r.started_by = 'dispatcher' ORDER BY r.id);
    PERFORM vibe._free_work(live, at);
    UPDATE vibe.runs r
       SET outcome = coalesce(r.outcome, 'lost'), error = coalesce(r.error, CASE WHEN r.outcome IS NULL THEN reason END),
           closed_at = coalesce(r.closed_at, at), ended_at = at
     WHERE r.id = ANY (live);
    PERFORM vibe._end_chore(r, NULL, false, at) FROM vibe.runs r WHERE r.id = ANY (live) AND r.task_id IS NULL;
    RETURN cardinality(live);
END
$$;
COMMENT ON FUNCTION vibe._lose_dispatched_runs(text, boolean, timestamptz) IS 'Closes every run of a dispatcher that is gone for good, as lost, and makes their steps ready. skip_busy leaves tasks and chores that somebody has locked for the next time, so that a sweep never waits with locks of its own.';
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
-- The pull API: workers elsewhere take and finish work set-wise, under the same limits, locks and tokens as the
-- dispatcher. Their runs have leases, as those held by hand. They LISTEN for vibe_dispatch and never wait inside a
-- transaction.

-- Tables written: work, runs; at a ceiling budget_crossings, activities. Locks: the limits that are in play (tried),
-- the taken work rows (SKIP LOCKED).
CREATE FUNCTION vibe.claim_runs(agent_names text[], max_runs integer DEFAULT 1)
    RETURNS TABLE (run_id bigint, lock_token text, task_id bigint, branch text, step integer, agent_name text, input jsonb)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    unknown text;
    able vibe._able_agent[];
    ceilings vibe._ceiling[];
    chosen vibe._candidate[];
    within vibe._candidate[];
    spare integer;
    item record;
    run vibe.runs;
BEGIN
    IF coalesce(cardinality(claim_runs.agent_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('agent_names', claim_runs.agent_names::text, 'Name at least one agent.');
    ELSIF (claim_runs.max_runs BETWEEN 1 AND 1000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('max_runs', claim_runs.max_runs::text, 'Use 1 to 1000.');
    END IF;
    FOR unknown IN SELECT n FROM unnest(claim_runs.agent_names) n WHERE NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = n) LOOP
        PERFORM vibe._agent_not_found(unknown);
    END LOOP;
    IF vibe._is_draining() THEN
        RETURN;
    END IF;
    able := vibe._able_agents('{}', '{}', '{}', '{}', claim_runs.agent_names, claim_runs.max_runs, at);
    ceilings := vibe._ceilings_in_play(at);
    -- Others claim at the same moment: whoever comes second takes what follows, and looks further the more of it is
    -- locked. Not at once, as the limits of what is only looked at are held, too.
    FOREACH spare IN ARRAY '{0,8,64,512}'::integer[] LOOP
        chosen := vibe._choose(able, ceilings, claim_runs.max_runs, spare);
        within := vibe._within_limits(chosen, at);
        EXIT WHEN (SELECT count(*) FROM vibe._take(within, claim_runs.max_runs)) >= least(claim_runs.max_runs, cardinality(within));
    END LOOP;
    PERFORM vibe._note_crossings(ceilings, '{}', '{}', at);
    FOR item IN SELECT * FROM vibe._take(within, claim_runs.max_runs) LOOP
        lock_token := vibe._new_token();
        run := vibe._open_run(item.taken, NULL, NULL, item.reserve_usd, lock_token, at);
        run_id := run.id;
        task_id := run.task_id;
        branch := run.branch;
        step := run.step;
        agent_name := run.agent_name;
        input := vibe._launch(run, NULL) - 'token';
        RETURN NEXT;
    END LOOP;
    -- The dispatcher may have left work out because this transaction was counting its limit.
    IF vibe._limits_of(chosen) <> '{}' THEN
        PERFORM vibe._wake(false);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.claim_runs(text[], integer) IS 'Takes up to max_runs (1 to 1000) ready steps of these agents, in the dispatcher''s order and within every limit and spending ceiling of campaigns and agents. Each row is a run of the caller''s: lock_token fences its writes and is shown once, its lease is to be renewed (renew_lock), input is what get_run_input() tells. No row: nothing to do now, or drain() is on. Locks the work rows. Raises VB004 (agent), VB022, VB030.';

-- Tables written: as complete_step(). Locks, in order: all the tasks, ids ascending; at a task's end its campaign.
CREATE FUNCTION vibe.complete_steps(results jsonb)
    RETURNS TABLE (task_id bigint, branch text, completed boolean, next_step integer, next_agent text, task_status text,
                   task_completed boolean, error_code text, error text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    result record;
    reply record;
BEGIN
    PERFORM vibe._begin_verb();
    IF (jsonb_typeof(complete_steps.results) = 'array' AND jsonb_array_length(complete_steps.results) <= 10000) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('results', left(complete_steps.results::text, 100),
            'Use an array of at most 10000 objects with the arguments of complete_step().');
    END IF;
    PERFORM 1 FROM vibe.tasks t
      WHERE t.id IN (SELECT r.task_id FROM vibe._results(complete_steps.results) r) ORDER BY t.id FOR NO KEY UPDATE;
    FOR result IN SELECT * FROM vibe._results(complete_steps.results) r ORDER BY r.task_id, r.nth LOOP
        task_id := result.task_id;
        branch := result.branch;
        error_code := NULL;
        error := NULL;
        reply := NULL;
        BEGIN
            SELECT * INTO STRICT reply FROM vibe.complete_step(result.task_id, result.agent_name, result.lock_token,
                result.output, result.quality_score, result.output_path, result.branch, result.summary);
        EXCEPTION WHEN SQLSTATE 'VB003' OR SQLSTATE 'VB004' OR SQLSTATE 'VB011' OR SQLSTATE 'VB012' OR SQLSTATE 'VB013'
            OR SQLSTATE 'VB020' OR SQLSTATE 'VB030' OR SQLSTATE 'VB060' THEN
            SELECT false AS completed, NULL::integer AS next_step, NULL::text AS next_agent, NULL::text AS task_status,
                   NULL::boolean AS task_completed INTO reply;
            error_code := SQLSTATE;
            error := SQLERRM;
        END;
        completed := reply.completed;
        next_step := reply.next_step;
        next_agent := reply.next_agent;
        task_status := reply.task_status;
        task_completed := reply.task_completed;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe.complete_steps(jsonb) IS 'complete_step() for many: results is an array of {"task_id", "agent_name", "lock_token", "output", "quality_score", "output_path", "branch", "summary"}. One that is refused spoils no other: its row has completed = false and the SQLSTATE and message that complete_step() would have raised. Locks the task rows, at a task''s end also its campaign row. Raises VB022, VB030 (not an array of such objects).';

CREATE FUNCTION vibe._results(results jsonb)
    RETURNS TABLE (nth bigint, task_id bigint, agent_name text, lock_token text, output jsonb, quality_score numeric,
                   output_path text, branch text, summary text)
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT e.nth, x.task_id, x.agent_name, x.lock_token, x.output, x.quality_score, x.output_path, coalesce(x.branch, ''), x.summary
          FROM jsonb_array_elements(results) WITH ORDINALITY e(value, nth)
         CROSS JOIN LATERAL jsonb_to_record(e.value) x(task_id bigint, agent_name text, lock_token text, output jsonb,
             quality_score numeric, output_path text, branch text, summary text);
EXCEPTION WHEN data_exception THEN
    PERFORM vibe._invalid_argument('results', left(results::text, 100), format('Each element is an object with the arguments of complete_step(): %s.', SQLERRM));
END
$$;
COMMENT ON FUNCTION vibe._results(jsonb) IS 'The elements of complete_steps()''s argument as rows. Raises VB030.';

-- Tables written: runs. Locks: the task row.
CREATE FUNCTION vibe.report_usage(run_id bigint, lock_token text, usage jsonb)
    RETURNS TABLE (cost_usd numeric, budget_usd numeric, over_budget boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    reported numeric;
    computed numeric;
BEGIN
    PERFORM vibe._begin_verb();
    IF (jsonb_typeof(report_usage.usage) = 'object') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('usage', left(report_usage.usage::text, 100),
            'Use an object of totals so far: "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "model".');
    END IF;
    run := vibe._run_by_token(report_usage.run_id, report_usage.lock_token);
    IF run.started_by = 'hand' THEN
        reported := greatest(CASE WHEN run.cost_source = 'reported' THEN run.cost_usd END, vibe._amount(report_usage.usage -> 'cost_usd'));
        computed := greatest(run.cost_usd, vibe._computed_cost(run.id, report_usage.usage));
        UPDATE vibe.runs r
           SET input_tokens = greatest(r.input_tokens, vibe._count(report_usage.usage -> 'input_tokens')),
               output_tokens = greatest(r.output_tokens, vibe._count(report_usage.usage -> 'output_tokens')),
               cache_read_tokens = greatest(r.cache_read_tokens, vibe._count(report_usage.usage -> 'cache_read_tokens')),
               cache_write_tokens = greatest(r.cache_write_tokens, vibe._count(report_usage.usage -> 'cache_write_tokens')),
               cost_usd = coalesce(reported, computed),
               cost_source = CASE WHEN reported IS NOT NULL THEN 'reported' WHEN computed IS NOT NULL THEN 'computed' END,
               model = coalesce(r.model, left(report_usage.usage ->> 'model', 200))
         WHERE r.id = run.id
        RETURNING r.* INTO run;
    END IF;
    RETURN QUERY SELECT run.cost_usd, run.reserved_usd, coalesce(run.cost_usd > run.reserved_usd, false);
END
$$;
COMMENT ON FUNCTION vibe.report_usage(bigint, text, jsonb) IS 'What a pulled or hand-held run has used so far, in totals that only grow: usage is {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd" in US dollars, "model"}; what is no number from 0 is left out. Without it such a run counts its reserve against ceilings. over_budget asks the caller to end with fail_step(outcome => ''budget''). Of a dispatched run nothing is written: its supervisor tells. Locks the task row. Raises VB006, VB011, VB022, VB030.';
-- Which files below the run directory nobody needs any more. The dispatcher reads the numbers that are there and asks
-- in batches. While this is not the data's home, as in a restore, none are.

CREATE FUNCTION vibe._unneeded_workspaces(task_ids bigint[], retention integer, also_unknown boolean)
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    ended_before timestamptz := vibe.clock() - make_interval(secs => retention);
BEGIN
    IF NOT vibe._is_home() THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT i FROM unnest(task_ids) i LEFT JOIN vibe.tasks t ON t.id = i
         WHERE CASE WHEN t.id IS NULL THEN also_unknown ELSE t.ended_at <= ended_before END
           AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = i AND r.ended_at IS NULL);
END
$$;
COMMENT ON FUNCTION vibe._unneeded_workspaces(bigint[], integer, boolean) IS 'Of these tasks those that ended more than retention seconds ago and, with also_unknown, those that are not there; none of which a process works.';

CREATE FUNCTION vibe._unneeded_run_files(run_ids bigint[])
    RETURNS SETOF bigint
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT vibe._is_home() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT i FROM unnest(run_ids) i WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = i);
END
$$;
COMMENT ON FUNCTION vibe._unneeded_run_files(bigint[]) IS 'Of these runs those that are not there.';
-- Verbs about money: prices, and ceilings of campaigns, tasks, runs and days.

CREATE TYPE vibe.price_info AS (
    model text, valid_from timestamptz, input_usd numeric, output_usd numeric, cache_read_usd numeric, cache_write_usd numeric);
COMMENT ON TYPE vibe.price_info IS 'What a million tokens of a model cost in US dollars from a time on, as functions return it.';

CREATE TYPE vibe.budget_info AS (
    period text, scope text, key text, amount_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe.budget_info IS 'A ceiling of the day or of a run, as functions return it; spent and reserved are those of today (UTC), NULL for a run.';

CREATE TYPE vibe.campaign_budget_info AS (
    campaign_id bigint, budget_usd numeric, task_budget_usd numeric, run_budget_usd numeric, spent_usd numeric, reserved_usd numeric);
COMMENT ON TYPE vibe.campaign_budget_info IS 'The ceilings of a campaign, and what its runs that have ended count and those that go on have reserved.';

CREATE FUNCTION vibe.list_prices()
    RETURNS SETOF vibe.price_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT p.model, p.valid_from, p.input_usd, p.output_usd, p.cache_read_usd, p.cache_write_usd
      FROM vibe.prices p ORDER BY p.model, p.valid_from;
END;
COMMENT ON FUNCTION vibe.list_prices() IS 'The price list, earlier prices included.';

CREATE FUNCTION vibe._check_amount(argument text, amount_usd numeric, from_zero boolean)
    RETURNS numeric
    LANGUAGE plpgsql
    IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (amount_usd > 0 OR (from_zero AND amount_usd = 0)) OR NOT (amount_usd < 1e12) THEN
        PERFORM vibe._invalid_argument(argument, amount_usd::text,
            format('Use an amount in US dollars %s 0 and below 1000000000000.', CASE WHEN from_zero THEN 'from' ELSE 'above' END));
    END IF;
    RETURN amount_usd;
END
$$;
COMMENT ON FUNCTION vibe._check_amount(text, numeric, boolean) IS 'Raises VB030 for what is no amount of money; NULL passes.';

CREATE FUNCTION vibe.set_price(
    model text, input_usd numeric, output_usd numeric, cache_read_usd numeric DEFAULT NULL, cache_write_usd numeric DEFAULT NULL,
    valid_from timestamptz DEFAULT NULL
)
    RETURNS SETOF vibe.price_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    since timestamptz := coalesce(set_price.valid_from, at);
    wrong record;
BEGIN
    IF (set_price.model ~ E'^[^\x01-\x1f]{1,200}$') IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('model', set_price.model, 'Use the name that steps, agents or the agent''s own report give the model.');
    ELSIF NOT isfinite(since) THEN
        PERFORM vibe._invalid_argument('valid_from', since::text, 'Use a time, or NULL for now.');
    END IF;
    SELECT a.* INTO wrong
      FROM (VALUES ('input_usd', coalesce(set_price.input_usd, -1)), ('output_usd', coalesce(set_price.output_usd, -1)),
                   ('cache_read_usd', set_price.cache_read_usd), ('cache_write_usd', set_price.cache_write_usd)) a(argument, given)
     WHERE NOT (a.given BETWEEN 0 AND 1e6) LIMIT 1;
    IF FOUND THEN
        PERFORM vibe._invalid_argument(wrong.argument, nullif(wrong.given, -1)::text, 'Use US dollars per million tokens, 0 to 1000000.');
    END IF;
    RETURN QUERY
        INSERT INTO vibe.prices AS p (model, valid_from, input_usd, output_usd, cache_read_usd, cache_write_usd)
        VALUES (set_price.model, since, set_price.input_usd, set_price.output_usd,
            coalesce(set_price.cache_read_usd, set_price.input_usd), coalesce(set_price.cache_write_usd, set_price.input_usd))
        ON CONFLICT ON CONSTRAINT prices_pkey DO UPDATE
           SET input_usd = excluded.input_usd, output_usd = excluded.output_usd,
               cache_read_usd = excluded.cache_read_usd, cache_write_usd = excluded.cache_write_usd
        RETURNING p.model, p.valid_from, p.input_usd, p.output_usd, p.cache_read_usd, p.cache_write_usd;
END
$$;
COMMENT ON FUNCTION vibe.set_price(text, numeric, numeric, numeric, numeric, timestamptz) IS 'What a million tokens of a model cost in US dollars, for runs claimed from valid_from (default: now) on; cached tokens cost as read ones where nothing else is said. The cost of a run that reports tokens and no cost is computed with it at the run''s end; what has ended does not change. Raises VB022, VB030.';

CREATE FUNCTION vibe.set_budget(campaign_id bigint, usd numeric, per text DEFAULT 'campaign')
    RETURNS SETOF vibe.campaign_budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    campaign vibe.campaigns;
BEGIN
    PERFORM vibe._check_amount('usd', set_budget.usd, false);
    IF (set_budget.per IN ('campaign', 'task', 'run')) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('per', set_budget.per, 'Use campaign, task or run.');
    END IF;
    campaign := vibe._lock_campaign(set_budget.campaign_id);
    UPDATE vibe.campaigns c
       SET budget_usd = CASE set_budget.per WHEN 'campaign' THEN set_budget.usd ELSE c.budget_usd END,
           task_budget_usd = CASE set_budget.per WHEN 'task' THEN set_budget.usd ELSE c.task_budget_usd END,
           run_budget_usd = CASE set_budget.per WHEN 'run' THEN set_budget.usd ELSE c.run_budget_usd END,
           updated_at = at
     WHERE c.id = campaign.id;
    DELETE FROM vibe.budget_crossings x
     WHERE CASE set_budget.per WHEN 'task' THEN x.name IN (SELECT 'task_budget ' || t.id FROM vibe.tasks t WHERE t.campaign_id = campaign.id)
                ELSE x.name = 'campaign_budget ' || campaign.id END;
    PERFORM vibe._record('budget_set', format('The ceiling per %s of campaign "%s" was set to %s.', set_budget.per, campaign.name,
            coalesce(set_budget.usd || ' USD', 'none')),
        jsonb_build_object('per', set_budget.per, 'usd', set_budget.usd), campaign.project_id, campaign.id);
    PERFORM vibe._wake(true);
    RETURN QUERY SELECT b.* FROM vibe._campaign_budget(campaign.id) b;
END
$$;
COMMENT ON FUNCTION vibe.set_budget(bigint, numeric, text) IS 'Sets a ceiling of a campaign, in US dollars: per campaign (all its runs), per task (the runs of one task), or per run (what one run may cost and reserves); NULL removes that one, the others stay. Below what is spent it starts nothing more; what runs goes on. Locks the campaign row. Raises VB002, VB022, VB030.';

CREATE FUNCTION vibe._forget_crossings(campaign_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM vibe.budget_crossings x
     WHERE x.name = 'campaign_budget ' || _forget_crossings.campaign_id
        OR x.name IN (SELECT 'task_budget ' || t.id FROM vibe.tasks t WHERE t.campaign_id = _forget_crossings.campaign_id);
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION vibe._forget_crossings(bigint) IS 'Ceilings of a campaign were changed: reaching one is told again.';

CREATE FUNCTION vibe._campaign_budget(campaign_id bigint)
    RETURNS SETOF vibe.campaign_budget_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT c.id, c.budget_usd, c.task_budget_usd, c.run_budget_usd,
               trim_scale((SELECT coalesce(sum(t.counted_usd), 0) FROM vibe.usage_totals t WHERE t.campaign_id = c.id)
                   + (SELECT coalesce(sum(e.counted_usd), 0) FROM vibe.usage_entries e WHERE e.campaign_id = c.id)),
               (SELECT coalesce(sum(r.reserved_usd), 0) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.campaign_id = c.id)
          FROM vibe.campaigns c WHERE c.id = _campaign_budget.campaign_id;
END
$$;
COMMENT ON FUNCTION vibe._campaign_budget(bigint) IS 'The ceilings of a campaign and what counts against them.';

CREATE FUNCTION vibe._over_budget(of_campaign bigint, of_task bigint)
    RETURNS TABLE (task_id bigint, branch text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT w.task_id, w.branch
          FROM vibe.work w
         WHERE w.waiting_for = 'person' AND (w.campaign_id = of_campaign OR w.task_id = of_task)
           AND 'budget' = (SELECT r.outcome FROM vibe.runs r
                            WHERE r.task_id = w.task_id AND r.branch = w.branch AND r.step = w.step AND r.closed_at IS NOT NULL
                            ORDER BY r.id DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION vibe._over_budget(bigint, bigint) IS 'Steps of a campaign or a task that wait for a person because their last run ended for its budget.';

-- Tables written: work, tasks. The tasks are locked by the caller.
CREATE FUNCTION vibe._retry_over_budget(task_ids bigint[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    retried bigint;
BEGIN
    WITH ready AS (
        UPDATE vibe.work w
           SET state = 'ready', waiting_for = NULL, ready_at = NULL, attempts = 0, retries = 0, since = at
          FROM unnest(task_ids) i CROSS JOIN LATERAL vibe._over_budget(NULL, i) o
         WHERE w.task_id = o.task_id AND w.branch = o.branch AND w.waiting_for = 'person'
        RETURNING w.task_id, w.branch
    ), unblocked AS (
        UPDATE vibe.tasks t
           SET status = CASE WHEN t.rejection_notes IS NULL THEN vibe._earned_status(t) ELSE 'revision_needed' END, updated_at = at
          FROM ready r
         WHERE t.id = r.task_id AND r.branch = '' AND t.status = 'blocked'
    )
    SELECT count(*) INTO retried FROM ready;
    RETURN retried;
END
$$;
COMMENT ON FUNCTION vibe._retry_over_budget(bigint[], timestamptz) IS 'Makes those steps of these tasks ready again whose last run ended for its budget; returns how many.';

CREATE FUNCTION vibe._no_ceiling(whose text, hint text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB020',
        MESSAGE = 'there is no ceiling to add to',
        DETAIL = format('%s has none.', whose),
        HINT = hint;
END
$$;
COMMENT ON FUNCTION vibe._no_ceiling(text, text) IS 'Raises VB020.';

-- Tables written: campaigns, tasks, work, budget_crossings, activities. Locks, in order: the task, or those tasks of
-- the campaign that go on, ids ascending; their work; the campaign row.
CREATE FUNCTION vibe.approve_budget(campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, usd numeric DEFAULT NULL)
    RETURNS TABLE (ceiling_usd numeric, spent_usd numeric, reserved_usd numeric, steps_ready bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    locked bigint[];
    campaign vibe.campaigns;
    ceiling text := CASE WHEN approve_budget.task_id IS NULL THEN 'campaign_budget ' || approve_budget.campaign_id ELSE 'task_budget ' || approve_budget.task_id END;
BEGIN
    IF num_nonnulls(approve_budget.campaign_id, approve_budget.task_id) <> 1 THEN
        PERFORM vibe._invalid_argument('campaign_id', approve_budget.campaign_id::text, 'Name a campaign or a task, one of the two.');
    ELSIF vibe._check_amount('usd', approve_budget.usd, false) IS NULL THEN
        PERFORM vibe._invalid_argument('usd', NULL, 'Use an amount in US dollars above 0.');
    END IF;
    IF approve_budget.task_id IS NOT NULL THEN
        PERFORM vibe._lock_task(approve_budget.task_id);
        locked := ARRAY[approve_budget.task_id];
        campaign := vibe._raise_task_ceiling(approve_budget.task_id, approve_budget.usd, at);
        steps_ready := vibe._retry_over_budget(locked, at);
    ELSE
        locked := ARRAY(SELECT t.id FROM vibe.tasks t
            WHERE t.id IN (SELECT o.task_id FROM vibe._over_budget(approve_budget.campaign_id, NULL) o) ORDER BY t.id FOR NO KEY UPDATE);
        steps_ready := vibe._retry_over_budget(locked, at);
        campaign := vibe._raise_campaign_ceiling(approve_budget.campaign_id, approve_budget.usd, at);
    END IF;
    DELETE FROM vibe.budget_crossings x WHERE x.name = ceiling;
    SELECT c.amount_usd, c.spent_usd, c.reserved_usd INTO ceiling_usd, spent_usd, reserved_usd FROM vibe._ceilings(ARRAY[ceiling], at) c;
    PERFORM vibe._record('budget_approved', format('%s USD were added to the ceiling %s, which is %s USD now.', approve_budget.usd,
            vibe._ceiling_words(ceiling), ceiling_usd),
        jsonb_build_object('ceiling', ceiling, 'usd', approve_budget.usd, 'ceiling_usd', ceiling_usd, 'spent_usd', spent_usd, 'steps_ready', steps_ready),
        campaign.project_id, campaign.id, approve_budget.task_id);
    PERFORM vibe._wake(true);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.approve_budget(bigint, bigint, numeric) IS 'Adds so many US dollars to the ceiling of a campaign or of a task, and makes their steps ready again whose last run ended for its budget; who did it is in the feed. Locks those task rows, then the campaign row. Raises VB002, VB003, VB020 (it has no ceiling), VB022, VB030.';

-- Tables written: tasks. The task is locked by the caller.
CREATE FUNCTION vibe._raise_task_ceiling(task_id bigint, usd numeric, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
BEGIN
    SELECT c.* INTO campaign FROM vibe.tasks t JOIN vibe.campaigns c ON c.id = t.campaign_id WHERE t.id = _raise_task_ceiling.task_id;
    IF campaign.task_budget_usd IS NULL THEN
        PERFORM vibe._no_ceiling(format('Task %s', _raise_task_ceiling.task_id),
            format('SELECT * FROM vibe.set_budget(campaign_id => %s, usd => …, per => ''task''); or SELECT * FROM vibe.retry_step(task_id => %s);',
                coalesce(campaign.id::text, '…'), _raise_task_ceiling.task_id));
    END IF;
    UPDATE vibe.tasks t SET approved_usd = t.approved_usd + usd, updated_at = at WHERE t.id = _raise_task_ceiling.task_id;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._raise_task_ceiling(bigint, numeric, timestamptz) IS 'Adds to the ceiling of a task; returns its campaign. Raises VB020.';

-- Tables written: campaigns. Locks the campaign row.
CREATE FUNCTION vibe._raise_campaign_ceiling(campaign_id bigint, usd numeric, at timestamptz)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns := vibe._lock_campaign(_raise_campaign_ceiling.campaign_id);
BEGIN
    IF campaign.budget_usd IS NULL THEN
        PERFORM vibe._no_ceiling(format('Campaign "%s"', campaign.name), format('SELECT * FROM vibe.set_budget(campaign_id => %s, usd => …);', campaign.id));
    END IF;
    UPDATE vibe.campaigns c SET budget_usd = c.budget_usd + usd, updated_at = at WHERE c.id = campaign.id;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._raise_campaign_ceiling(bigint, numeric, timestamptz) IS 'Adds to the ceiling of a campaign; returns it. Raises VB002, VB020.';

CREATE FUNCTION vibe.list_budgets()
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT b.period, b.scope, b.key, b.amount_usd, c.spent_usd, c.reserved_usd
          FROM vibe.budgets b
          LEFT JOIN vibe._daily_ceilings((SELECT k.now FROM vibe.clock() k(now))) c
            ON b.period = 'day' AND c.name = concat_ws(' ', 'daily_budget', b.scope, nullif(b.key, ''))
         ORDER BY b.period, b.scope, b.key;
END
$$;
COMMENT ON FUNCTION vibe.list_budgets() IS 'Ceilings of the day with what was spent and is reserved today (UTC), and what a run may cost where its campaign does not say.';

-- Tables written: budgets, budget_crossings, activities.
CREATE FUNCTION vibe._put_budget(period text, scope text, key text, usd numeric)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._check_amount('usd', usd, false);
    IF usd IS NULL THEN
        DELETE FROM vibe.budgets b WHERE b.period = _put_budget.period AND b.scope = _put_budget.scope AND b.key = _put_budget.key;
    ELSE
        INSERT INTO vibe.budgets (period, scope, key, amount_usd)
        VALUES (_put_budget.period, _put_budget.scope, _put_budget.key, usd)
        ON CONFLICT ON CONSTRAINT budgets_pkey DO UPDATE SET amount_usd = excluded.amount_usd;
    END IF;
    DELETE FROM vibe.budget_crossings x
     WHERE _put_budget.period = 'day' AND x.name = concat_ws(' ', 'daily_budget', _put_budget.scope, nullif(_put_budget.key, ''));
    PERFORM vibe._wake(true);
    RETURN vibe._record('budget_set', format('The ceiling per %s for %s was set to %s.', period, concat_ws(' ', scope, nullif(key, '')),
            coalesce(usd || ' USD', 'none')),
        jsonb_build_object('per', period, 'scope', scope, 'key', key, 'usd', usd), CASE scope WHEN 'project' THEN key::bigint END, NULL, NULL);
END
$$;
COMMENT ON FUNCTION vibe._put_budget(text, text, text, numeric) IS 'Sets, changes or (NULL) removes a row of vibe.budgets. Raises VB030.';

CREATE FUNCTION vibe.set_daily_budget(usd numeric, project_id bigint DEFAULT NULL, agent_name text DEFAULT NULL, provider text DEFAULT NULL)
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    scope text := CASE WHEN project_id IS NOT NULL THEN 'project' WHEN agent_name IS NOT NULL THEN 'agent' WHEN provider IS NOT NULL THEN 'provider' ELSE 'database' END;
    key text := coalesce(project_id::text, agent_name, provider, '');
BEGIN
    PERFORM vibe._begin_verb();
    IF num_nonnulls(set_daily_budget.project_id, set_daily_budget.agent_name, set_daily_budget.provider) > 1 THEN
        PERFORM vibe._invalid_argument('project_id', set_daily_budget.project_id::text, 'Name a project, an agent or a provider, or none of them for the whole database.');
    ELSIF set_daily_budget.project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.projects p WHERE p.id = set_daily_budget.project_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB001',
            MESSAGE = 'project not found',
            DETAIL = format('There is no project with id %s.', set_daily_budget.project_id),
            HINT = 'SELECT * FROM vibe.projects lists them.';
    ELSIF set_daily_budget.agent_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = set_daily_budget.agent_name) THEN
        PERFORM vibe._agent_not_found(set_daily_budget.agent_name);
    ELSIF set_daily_budget.provider IS NOT NULL THEN
        PERFORM vibe._check_provider(set_daily_budget.provider);
    END IF;
    PERFORM vibe._put_budget('day', scope, key, set_daily_budget.usd);
    RETURN QUERY SELECT l.* FROM vibe.list_budgets() l WHERE l.period = 'day';
END
$$;
COMMENT ON FUNCTION vibe.set_daily_budget(numeric, bigint, text, text) IS 'Ceiling in US dollars of what all runs claimed on one day (UTC) may cost together: in the database, or of one project, agent or provider; NULL removes it. Returns the ceilings of the day. What runs already goes on. Raises VB001, VB004, VB022, VB030.';

CREATE FUNCTION vibe.set_run_budget(usd numeric, agent_name text DEFAULT NULL)
    RETURNS SETOF vibe.budget_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF set_run_budget.agent_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = set_run_budget.agent_name) THEN
        PERFORM vibe._agent_not_found(set_run_budget.agent_name);
    END IF;
    PERFORM vibe._put_budget('run', CASE WHEN set_run_budget.agent_name IS NULL THEN 'database' ELSE 'agent' END,
        coalesce(set_run_budget.agent_name, ''), set_run_budget.usd);
    RETURN QUERY SELECT l.* FROM vibe.list_budgets() l WHERE l.period = 'run';
END
$$;
COMMENT ON FUNCTION vibe.set_run_budget(numeric, text) IS 'What one run of an agent, or (without one) of any agent, may cost in US dollars and reserves before it starts, where its campaign does not say; NULL removes it. Returns all of them. Raises VB004, VB022, VB030.';
-- Many parked steps again, in one call.

CREATE FUNCTION vibe._check_retry_filter(filter jsonb)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wrong text;
BEGIN
    IF (jsonb_typeof(filter) = 'object') IS NOT TRUE OR filter - 'note' = '{}' THEN
        PERFORM vibe._invalid_argument('filter', filter::text,
            'Name at least one of campaign_id, project_id, agent_name, outcome, waiting_for, task_ids.');
    END IF;
    SELECT k.key INTO wrong FROM jsonb_each(filter) k
     WHERE NOT CASE
        WHEN k.key IN ('campaign_id', 'project_id') THEN vibe._is_id(k.value)
        WHEN k.key IN ('agent_name', 'outcome', 'note') THEN jsonb_typeof(k.value) = 'string'
        WHEN k.key = 'waiting_for' THEN k.value IN ('"person"', '"back_off"')
        WHEN k.key = 'task_ids' THEN jsonb_typeof(k.value) = 'array'
            AND (SELECT coalesce(bool_and(vibe._is_id(e)), true) FROM jsonb_array_elements(
                    CASE WHEN jsonb_typeof(k.value) = 'array' THEN k.value ELSE '[]' END) e)
        ELSE false END
     ORDER BY k.key LIMIT 1;
    IF FOUND THEN
        PERFORM vibe._invalid_argument('filter', format('%s: %s', wrong, filter -> wrong),
            'Keys are campaign_id, project_id (numbers), agent_name, outcome, note (text), waiting_for (person or back_off), task_ids (a list of numbers).');
    ELSIF NOT EXISTS (SELECT 1 FROM vibe.outcomes o WHERE o.outcome = coalesce(filter ->> 'outcome', 'done')) THEN
        PERFORM vibe._invalid_argument('filter', format('outcome: %s', filter -> 'outcome'), 'SELECT * FROM vibe.outcomes lists them.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_retry_filter(jsonb) IS 'Raises VB030 for a filter of retry_steps() that is empty, has an unknown key, or a value of the wrong kind.';

CREATE FUNCTION vibe._is_id(value jsonb)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(CASE WHEN jsonb_typeof(value) = 'number'
        THEN (value #>> '{}')::numeric BETWEEN 0 AND 9223372036854775807 AND mod((value #>> '{}')::numeric, 1) = 0 END, false);
END;
COMMENT ON FUNCTION vibe._is_id(jsonb) IS 'Whether a JSON value can be a key: a whole number in the range of bigint.';

CREATE FUNCTION vibe._parked(filter jsonb)
    RETURNS SETOF vibe.work
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT w.*
      FROM vibe.work w
      JOIN vibe.tasks t ON t.id = w.task_id
     WHERE w.waiting_for IN ('person', 'back_off')
       AND w.waiting_for = coalesce(filter ->> 'waiting_for', w.waiting_for)
       AND w.campaign_id = coalesce((filter ->> 'campaign_id')::numeric::bigint, w.campaign_id)
       AND t.project_id = coalesce((filter ->> 'project_id')::numeric::bigint, t.project_id)
       AND w.agent_name = coalesce(filter ->> 'agent_name', w.agent_name)
       AND (filter -> 'task_ids' IS NULL
            OR w.task_id IN (SELECT e::numeric::bigint FROM jsonb_array_elements_text(filter -> 'task_ids') e))
       AND (filter -> 'outcome' IS NULL
            OR (SELECT r.outcome FROM vibe.runs r WHERE r.task_id = w.task_id AND r.branch = w.branch
                 ORDER BY r.id DESC LIMIT 1) = filter ->> 'outcome');
END;
COMMENT ON FUNCTION vibe._parked(jsonb) IS 'The steps that wait for a person or for their back-off and match a filter of retry_steps().';

-- Tables written: work, tasks, activities. Locks, in order: the tasks, ids ascending; their work rows.
CREATE FUNCTION vibe.retry_steps(filter jsonb)
    RETURNS TABLE (task_id bigint, branch text, step integer, agent_name text, task_status text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    locked bigint[];
BEGIN
    PERFORM vibe._check_retry_filter(retry_steps.filter);
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id IN (SELECT p.task_id FROM vibe._parked(retry_steps.filter) p)
        ORDER BY t.id FOR NO KEY UPDATE);
    -- The end of a back-off takes work rows without the task's lock.
    PERFORM 1 FROM vibe.work w WHERE w.task_id = ANY (locked) ORDER BY w.task_id, w.branch FOR UPDATE;
    -- Looked at again under the locks: what was parked a moment ago may have moved.
    RETURN QUERY
    SELECT w.task_id, w.branch, w.step, w.agent_name, vibe._retry(t, w, retry_steps.filter ->> 'note', at)
      FROM vibe._parked(retry_steps.filter) w
      JOIN vibe.tasks t ON t.id = w.task_id
     WHERE w.task_id = ANY (locked)
     ORDER BY w.task_id, w.branch;
    PERFORM vibe._wake(true);
END
$$;
COMMENT ON FUNCTION vibe.retry_steps(jsonb) IS 'retry_step() for every parked step that matches all keys of a filter: campaign_id, project_id, agent_name, outcome (of its last run), waiting_for (person or back_off), task_ids. The key note is no condition: it reaches their next runs. Returns what is tried again; gates and running steps are left alone. Locks the task rows, ids ascending. Raises VB022, VB030 (empty filter, unknown key, bad value).';
-- Chores: work that belongs to no task. A heartbeat runs an agent once, for whatever it looks after; a notifier's run
-- delivers what is due on one channel (64_delivery.sql). There is at most one of each name, waiting or under way, and
-- its run is claimed, supervised, adopted and finished as any other.
--
-- A chore's row stands where a task's row stands for a step: it is locked first, before any task. It is held until
-- the end of the run's process is recorded, so that no second one starts beside it.

CREATE FUNCTION vibe._lock_chore(run_id bigint)
    RETURNS vibe.chores
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chore vibe.chores;
BEGIN
    SELECT * INTO chore FROM vibe.chores c WHERE c.run_id = _lock_chore.run_id FOR UPDATE;
    RETURN chore;
END
$$;
COMMENT ON FUNCTION vibe._lock_chore(bigint) IS 'The chore that a run does, locked; all NULL where its agent was deleted meanwhile.';

CREATE FUNCTION vibe._lock_chores(skip_busy boolean)
    RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
BEGIN
    IF skip_busy THEN
        locked := ARRAY(SELECT c.run_id FROM vibe.chores c WHERE c.run_id IS NOT NULL ORDER BY c.name FOR UPDATE SKIP LOCKED);
    ELSE
        locked := ARRAY(SELECT c.run_id FROM vibe.chores c WHERE c.run_id IS NOT NULL ORDER BY c.name FOR UPDATE);
    END IF;
    RETURN locked || ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.task_id IS NULL
                              AND NOT EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id = r.id));
END
$$;
COMMENT ON FUNCTION vibe._lock_chores(boolean) IS 'Locks the chores that are under way and returns their runs, and the live runs whose chore is gone. skip_busy leaves those out that somebody has locked.';

-- A channel that has something to send for the first time.
CREATE FUNCTION vibe._note_channels(runners text[], free_slots integer[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    noted bigint;
BEGIN
    INSERT INTO vibe.chores (name, kind, channel, ready_at)
    SELECT 'notify ' || s.runner, 'notify', s.runner, at
      FROM unnest(runners, free_slots) s(runner, free)
     WHERE s.free > 0 AND vibe._has_due(s.runner, at)
       AND NOT EXISTS (SELECT 1 FROM vibe.chores c WHERE c.name = 'notify ' || s.runner)
     ORDER BY s.runner
    ON CONFLICT ON CONSTRAINT chores_pkey DO NOTHING;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END
$$;
COMMENT ON FUNCTION vibe._note_channels(text[], integer[], timestamptz) IS 'Makes the chore of each channel that has something due and none yet.';

-- Tables written: chores, runs, providers, deliveries. Locks: the due chores (SKIP LOCKED), the limits that are in
-- play (tried).
CREATE FUNCTION vibe._claim_chore(
    runners text[], free_slots integer[], providers text[], fallbacks text[], at timestamptz
)
    RETURNS TABLE (run_id bigint, runner text, run jsonb)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore record;
    token text;
    new_run vibe.runs;
    has_ceiling boolean := EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day');
BEGIN
    PERFORM vibe._note_channels(runners, free_slots, at);
    FOR chore IN
        SELECT c.name, c.kind, c.agent_name, c.channel, c.failures, a.default_model, used.name AS runner, used.provider,
               CASE c.kind WHEN 'heartbeat' THEN vibe._reserve(NULL, vibe._run_budget(c.agent_name), has_ceiling, NULL, NULL) ELSE 0 END AS reserve_usd
          FROM vibe.chores c
          LEFT JOIN vibe.current_agents a ON a.name = c.agent_name
          JOIN unnest(runners, providers, fallbacks) own(name, provider, fallback) ON own.name = coalesce(c.channel, a.runner)
          LEFT JOIN vibe.providers p ON p.name = own.provider
          JOIN unnest(runners, free_slots, providers) used(name, free, provider)
            ON used.name = CASE WHEN p.paused_until > at AND own.fallback IS NOT NULL THEN own.fallback ELSE own.name END
         WHERE c.run_id IS NULL AND c.ready_at <= at AND used.free > 0
           AND a.paused_at IS NULL AND (c.kind = 'heartbeat' OR vibe._has_due(c.channel, at))
           -- of an agent that was deleted and registered again
           AND NOT EXISTS (SELECT 1 FROM vibe.runs l WHERE l.ended_at IS NULL AND l.task_id IS NULL
                              AND l.agent_name = coalesce(c.agent_name, 'notify:' || c.channel))
         ORDER BY c.ready_at, c.name
           FOR UPDATE OF c SKIP LOCKED
    LOOP
        CONTINUE WHEN cardinality(vibe._within_limits(
            ARRAY[(NULL, '', 0, chore.agent_name, chore.runner, chore.provider, chore.reserve_usd)::vibe._candidate], at)) = 0;
        CONTINUE WHEN chore.kind = 'notify' AND vibe._drop_late(chore.channel, at) = 0;
        token := vibe._new_token();
        INSERT INTO vibe.runs AS r (kind, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                    reserved_usd, token_hash, claimed_at, session_id)
        VALUES (chore.kind, 0, 0, least(chore.failures + 1, 30000), 0, coalesce(chore.agent_name, 'notify:' || chore.channel),
                chore.default_model, chore.runner, chore.provider, 'dispatcher',
                nullif(chore.reserve_usd, 0), vibe._token_hash(token), at, gen_random_uuid())
        RETURNING r.* INTO STRICT new_run;
        UPDATE vibe.chores c SET run_id = new_run.id WHERE c.name = chore.name;
        UPDATE vibe.providers p SET probed_at = at
         WHERE p.name = chore.provider AND p.paused_until <= at AND p.probed_at IS NULL;
        PERFORM vibe._take_batch(chore.channel, new_run.id, at) WHERE chore.kind = 'notify';
        RETURN QUERY SELECT new_run.id, chore.runner, vibe._launch_chore(new_run, token);
        RETURN;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe._claim_chore(text[], integer[], text[], text[], timestamptz) IS 'Takes one chore that is due, whose runner has a free slot and whose agent and provider have room; the arguments are those of _claim_runs().';

CREATE FUNCTION vibe.default_heartbeat_template()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $template$You are {agent}. {agent_description}
Skill folder: {skill_path}

This is a heartbeat: you were started on schedule or on request, without a task. Do what your skill says is to be
done regularly, and stop when nothing is left.
Note for this run: {note}

Report as your runner's contract says: exit status 0 and a result when you are done.
$template$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe.default_heartbeat_template() IS 'The prompt of a heartbeat; {fields} are filled in as text.';

CREATE FUNCTION vibe._launch_chore(run vibe.runs, token text)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore vibe.chores;
    agent vibe.current_agents;
    launch jsonb;
    messages jsonb;
BEGIN
    SELECT * INTO chore FROM vibe.chores c WHERE c.run_id = run.id;
    SELECT * INTO agent FROM vibe.current_agents a WHERE a.name = chore.agent_name;
    launch := jsonb_build_object('contract', 1, 'kind', run.kind, 'run_id', run.id::text, 'branch', '', 'step', 0,
        'attempt', run.attempt, 'agent', run.agent_name, 'model', run.model, 'skill_path', agent.skill_path, 'token', token,
        'session', run.session_id, 'budget_usd', run.reserved_usd, 'note', chore.note, 'inputs', '[]'::jsonb,
        'traceparent', vibe._traceparent(0, run.id));
    IF run.kind = 'notify' THEN
        messages := vibe._messages(chore.channel, run.id);
        RETURN launch || jsonb_build_object('channel', chore.channel, 'messages', messages,
            'prompt', (SELECT string_agg(m.value ->> 'text', E'\n\n' ORDER BY m.n) FROM jsonb_array_elements(messages) WITH ORDINALITY m(value, n)));
    END IF;
    RETURN launch || jsonb_build_object('prompt', vibe._render_prompt(vibe.default_heartbeat_template(), jsonb_build_object(
        'agent', run.agent_name, 'agent_description', coalesce(agent.description, ''), 'skill_path', agent.skill_path, 'note', chore.note)));
END
$$;
COMMENT ON FUNCTION vibe._launch_chore(vibe.runs, text) IS 'What the supervisor and the agent, or the notifier, of a chore''s run are told, as one JSON object.';

-- Tables written: chores, deliveries, activities, notifications. The run is closed, and the chore locked by the caller.
CREATE FUNCTION vibe._end_chore(run vibe.runs, record jsonb, waits_for_provider boolean, at timestamptz)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF run.kind = 'notify' THEN
        PERFORM vibe._settle_batch(run, record, at);
    ELSIF waits_for_provider THEN
        UPDATE vibe.chores c SET run_id = NULL WHERE c.run_id = run.id;
    ELSE
        DELETE FROM vibe.chores c WHERE c.run_id = run.id;
        IF run.outcome NOT IN ('done', 'cancelled') THEN
            PERFORM vibe._record('heartbeat_failed', format('The heartbeat of agent "%s" ended as %s: %s', run.agent_name, run.outcome,
                    coalesce(left(run.error, 1000), 'no message')),
                jsonb_build_object('agent_name', run.agent_name, 'run_id', run.id, 'outcome', run.outcome), NULL, NULL);
        END IF;
    END IF;
    RETURN run.outcome;
END
$$;
COMMENT ON FUNCTION vibe._end_chore(vibe.runs, jsonb, boolean, timestamptz) IS 'What follows the end of a chore''s run: a heartbeat is over however it ended, unless its provider is to be waited for; a notifier''s messages are sent, or are to be sent again.';

-- Tables written: runs, chores, deliveries, providers, activities, notifications. Locks, in order: the chore, the
-- provider.
CREATE FUNCTION vibe._finish_chore(run_id bigint, record jsonb, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    verdict vibe.runs;
    waits boolean := false;
BEGIN
    PERFORM vibe._lock_chore(_finish_chore.run_id);
    SELECT * INTO STRICT run FROM vibe.runs r WHERE r.id = _finish_chore.run_id;
    IF run.ended_at IS NOT NULL THEN
        RETURN run.outcome = 'done';
    END IF;
    verdict.outcome := record ->> 'outcome';
    verdict.error := left(record ->> 'error', 4000);
    verdict.summary := record #>> '{result,summary}';
    verdict.output := CASE WHEN jsonb_typeof(record #> '{result,output}') = 'object' THEN record #> '{result,output}' END;
    IF run.closed_at IS NULL THEN
        waits := vibe._is_the_providers(run, verdict.outcome, record);
        IF waits THEN
            PERFORM vibe._pause_after(run, verdict.outcome, vibe._reset_time(record, at), verdict.error, at);
        ELSIF verdict.outcome = 'done' THEN
            PERFORM vibe._provider_works(run);
        END IF;
        IF run.kind = 'heartbeat' AND verdict.outcome IN ('killed', 'exec_error', 'lost') THEN
            PERFORM vibe._notify('agent_crashed', format('The heartbeat of agent "%s": %s, %s', run.agent_name, verdict.outcome,
                    coalesce(left(verdict.error, 1000), 'no message')),
                jsonb_build_object('agent_name', run.agent_name, 'outcome', verdict.outcome),
                run_id => run.id, dedup_key => format('agent_crashed %s %s', verdict.outcome, run.agent_name));
        END IF;
    END IF;
    run := vibe._end_run(run.id, verdict, record, at);
    PERFORM vibe._end_chore(run, record, waits, at);
    PERFORM vibe._wake(true);
    RETURN run.outcome = 'done';
END
$$;
COMMENT ON FUNCTION vibe._finish_chore(bigint, jsonb, timestamptz) IS 'The end of a chore''s run, as _finish_run() tells it.';

-- Tables written: chores, deliveries. What a person cancelled before its start is over; what was paused is due again.
CREATE FUNCTION vibe._unclaim_chores(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    freed bigint;
BEGIN
    UPDATE vibe.deliveries d SET attempts = d.attempts - 1, run_id = NULL
     WHERE d.state = 'pending' AND d.run_id IN (SELECT r.id FROM vibe.runs r WHERE r.id = ANY (run_ids) AND r.kind = 'notify');
    DELETE FROM vibe.chores c USING vibe.runs r
     WHERE r.id = ANY (run_ids) AND c.run_id = r.id AND r.kind = 'heartbeat' AND r.closed_at IS NOT NULL;
    UPDATE vibe.chores c SET run_id = NULL WHERE c.run_id = ANY (run_ids);
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;
COMMENT ON FUNCTION vibe._unclaim_chores(bigint[]) IS 'Puts chores back whose runs were never started, without using up an attempt of a message. Called before those runs are closed.';

-- Tables written: chores, home.
CREATE FUNCTION vibe.request_heartbeat(name text, note text DEFAULT NULL)
    RETURNS TABLE (requested boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = request_heartbeat.name) THEN
        PERFORM vibe._agent_not_found(request_heartbeat.name);
    ELSIF length(request_heartbeat.note) > 10000 THEN
        PERFORM vibe._invalid_argument('note', left(request_heartbeat.note, 100), 'Use at most 10000 characters.');
    END IF;
    INSERT INTO vibe.chores (name, kind, agent_name, ready_at, note)
    VALUES ('heartbeat ' || request_heartbeat.name, 'heartbeat', request_heartbeat.name, at, request_heartbeat.note)
    ON CONFLICT ON CONSTRAINT chores_pkey DO NOTHING;
    requested := FOUND;
    IF requested THEN
        PERFORM vibe._note_home();
        PERFORM vibe._wake(false);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.request_heartbeat(text, text) IS 'Runs an agent once without a task, as its schedule does; the note reaches its prompt. It starts when its agent is not paused and its runner, agent and provider have room. requested is false if a heartbeat of it waits or is under way already. Raises VB004 (agent), VB022, VB030 (note).';
-- Delivery: the outbox of 24_notifications.sql on its way out. A notifier is a runner whose name is the channel; its
-- run gets a batch of messages and answers for each: sent, retry or failed.
--
-- Bursts: notifications of one kind, campaign and recipient go out as one message, and after a run a channel rests
-- for a moment, in which the next ones gather. A message keeps its notifications, its id and its key from its first
-- attempt on, so that whoever gets it twice can tell.
--
-- A message without an answer may have arrived: it is sent once more, and never a third time.

CREATE FUNCTION vibe._delivery_limits(
    OUT messages_per_run integer, OUT notifications_per_message integer, OUT max_attempts integer, OUT rest interval,
    OUT back_off interval, OUT longest_back_off interval, OUT too_late_after interval
)
    RETURNS record
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT 20, 500, 8, interval '5 seconds', interval '30 seconds', interval '1 hour', interval '1 day';
END;
COMMENT ON FUNCTION vibe._delivery_limits() IS 'The numbers of delivery: messages of one run, notifications of one message, attempts of a message, the rest of a channel after a run (what comes meanwhile goes out together), the first and the longest back-off, and when a message is too old to be sent.';

CREATE FUNCTION vibe._delivery_back_off(attempts integer)
    RETURNS interval
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT least((vibe._delivery_limits()).longest_back_off,
                 (vibe._delivery_limits()).back_off * power(2, least(greatest(attempts, 1) - 1, 20)));
END;
COMMENT ON FUNCTION vibe._delivery_back_off(integer) IS 'How long a message, or a channel, waits after so many attempts without success.';

CREATE FUNCTION vibe._has_due(channel text, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.deliveries d
                    WHERE d.channel = _has_due.channel AND d.state = 'pending' AND d.next_attempt_at <= _has_due.at);
END
$$;
COMMENT ON FUNCTION vibe._has_due(text, timestamptz) IS 'Whether a channel has something to send now.';

-- Tables written: deliveries. What is about yesterday would only puzzle people; the inbox still shows it.
CREATE FUNCTION vibe._drop_late(channel text, at timestamptz)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.deliveries d
       SET state = 'dropped', next_attempt_at = NULL, error = concat_ws(': ', 'it could not be sent within a day', d.error)
      FROM vibe.notifications n
     WHERE d.channel = _drop_late.channel AND d.state = 'pending' AND d.next_attempt_at <= _drop_late.at
       AND n.id = d.notification_id AND n.at < _drop_late.at - (vibe._delivery_limits()).too_late_after;
    RETURN vibe._has_due(_drop_late.channel, _drop_late.at)::integer;
END
$$;
COMMENT ON FUNCTION vibe._drop_late(text, timestamptz) IS 'Drops what is due on a channel and too old to be sent; 1 if something is left to send, else 0.';

CREATE FUNCTION vibe._drop_deliveries(reason text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped bigint;
BEGIN
    UPDATE vibe.deliveries d SET state = 'dropped', next_attempt_at = NULL, error = reason WHERE d.state = 'pending';
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION vibe._drop_deliveries(text) IS 'Drops everything that is still to be sent.';

CREATE FUNCTION vibe._message_key(delivery vibe.deliveries, notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(delivery.message_id::text,
        format('%s %s %s', notification.kind, coalesce(notification.campaign_id, 0), coalesce(notification.recipient, '')));
END;
COMMENT ON FUNCTION vibe._message_key(vibe.deliveries, vibe.notifications) IS 'What goes out together: the message it was part of before, else kind, campaign and recipient.';

-- Tables written: deliveries. What is new and not due yet comes along with what is due of its kind and campaign.
CREATE FUNCTION vibe._take_batch(channel text, run_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    limits record := vibe._delivery_limits();
    taken bigint;
BEGIN
    WITH head AS (
        SELECT vibe._message_key(d.due, n) AS key
          FROM (SELECT p AS due FROM vibe.deliveries p
                 WHERE p.channel = _take_batch.channel AND p.state = 'pending' AND p.next_attempt_at <= at
                 ORDER BY p.next_attempt_at LIMIT 5000) d
          JOIN vibe.notifications n ON n.id = (d.due).notification_id
         GROUP BY 1 ORDER BY min(n.id) LIMIT limits.messages_per_run
    ), member AS (
        SELECT d.notification_id, min(d.notification_id) OVER (PARTITION BY h.key) AS first,
               row_number() OVER (PARTITION BY h.key ORDER BY d.notification_id) AS nth
          FROM vibe.deliveries d
          JOIN vibe.notifications n ON n.id = d.notification_id
          JOIN head h ON h.key = vibe._message_key(d, n)
         WHERE d.channel = _take_batch.channel AND d.state = 'pending'
    )
    UPDATE vibe.deliveries d
       SET run_id = _take_batch.run_id, attempts = d.attempts + 1, message_id = m.first, next_attempt_at = least(d.next_attempt_at, at)
      FROM member m
     WHERE d.channel = _take_batch.channel AND d.notification_id = m.notification_id AND m.nth <= limits.notifications_per_message;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN taken;
END
$$;
COMMENT ON FUNCTION vibe._take_batch(text, bigint, timestamptz) IS 'Gives what is due on a channel to a run, as messages, and counts the attempt.';

-- What the reader of a message outside can do about it: one call, to be typed where the inbox would have a button.
CREATE FUNCTION vibe._next_call(notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN notification.kind = 'approval_needed' AND notification.task_id IS NULL THEN
            'SELECT * FROM vibe.queue WHERE waits_for = ''approval'';'
        WHEN notification.kind = 'approval_needed' THEN
            format('SELECT * FROM vibe.approve_step(task_id => %s%s%s);', notification.task_id, ', run_id => ' || notification.run_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'provider_paused' AND notification.detail ->> 'until' = 'infinity' THEN
            format('SELECT * FROM vibe.resume_provider(%L);', notification.detail ->> 'provider')
        WHEN notification.kind IN ('task_blocked', 'budget_reached', 'agent_crashed') AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.why(task_id => %s%s);', notification.task_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'backlog_low' AND notification.campaign_id IS NOT NULL THEN
            format('SELECT * FROM vibe.generate_tasks(campaign_id => %s, how_many => …);', notification.campaign_id)
    END;
END;
COMMENT ON FUNCTION vibe._next_call(vibe.notifications) IS 'The call that answers a notification, NULL where none is asked for.';

-- One notification is its own sentence; several are a count and the first ten.
CREATE FUNCTION vibe._messages(channel text, run_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        WITH line AS (
            SELECT d.message_id, d.attempts, n.*, vibe._next_call(n) AS call,
                   row_number() OVER (PARTITION BY d.message_id ORDER BY n.id) AS nth
              FROM vibe.deliveries d JOIN vibe.notifications n ON n.id = d.notification_id
             WHERE d.channel = _messages.channel AND d.run_id = _messages.run_id AND d.state = 'pending'
        ), message AS (
            SELECT l.message_id, max(l.attempts) AS attempt, min(l.kind) AS kind, min(l.recipient) AS recipient,
                   min(l.campaign_id) AS campaign_id, min(l.project_id) AS project_id, max(l.at) AS at, count(*) AS n,
                   CASE WHEN count(*) = 1 THEN min(l.task_id) END AS task_id, CASE WHEN count(*) = 1 THEN min(l.call) END AS call,
                   min(l.message) FILTER (WHERE l.nth = 1) AS only,
                   string_agg('- ' || left(l.message, 200) || coalesce(E'\n  ' || l.call, ''), E'\n' ORDER BY l.nth) FILTER (WHERE l.nth <= 10) AS lines
              FROM line l GROUP BY l.message_id
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'id', m.message_id::text, 'kind', m.kind, 'at', vibe._iso(m.at), 'count', m.n, 'attempt', m.attempt,
                   'key', left(encode(sha256(convert_to(concat_ws(' ', vibe._home_identity(), _messages.channel, m.message_id), 'UTF8')), 'hex'), 32),
                   'recipient', m.recipient, 'project_id', m.project_id, 'campaign_id', m.campaign_id, 'campaign', c.slug,
                   'task_id', m.task_id, 'call', m.call,
                   'text', CASE WHEN m.n = 1 THEN m.only || coalesce(E'\n\n' || m.call, '')
                                ELSE format(E'%s × %s%s\n%s', m.n, m.kind, coalesce(', campaign ' || c.slug, ''), m.lines)
                                     || CASE WHEN m.n > 10 THEN format(E'\n… and %s more', m.n - 10) ELSE '' END END)
                   ORDER BY m.attempt, m.message_id), '[]')
          FROM message m LEFT JOIN vibe.campaigns c ON c.id = m.campaign_id);
END
$$;
COMMENT ON FUNCTION vibe._messages(text, bigint) IS 'The messages that a run is to send: those that were tried least often first, so that one that is never taken keeps no other waiting; then by age.';

CREATE FUNCTION vibe._wait_time(value jsonb)
    RETURNS interval
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT make_interval(secs => least(s.seconds, 86400)::double precision)
      FROM (SELECT vibe._amount(value) AS seconds) s WHERE s.seconds IS NOT NULL;
END;
COMMENT ON FUNCTION vibe._wait_time(jsonb) IS 'A JSON number of seconds as an interval of a day at most; NULL where it is none.';

-- What a notifier answered. It is foreign data: whatever is no answer counts as none.
CREATE FUNCTION vibe._answers(record jsonb)
    RETURNS TABLE (message_id text, status text, retry_after interval, tried boolean, error text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT DISTINCT ON (1) a.value ->> 'id', a.value ->> 'status',
               vibe._wait_time(a.value -> 'retry_after_s'),
               a.value -> 'tried' IS DISTINCT FROM 'false', left(a.value ->> 'error', 1000)
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(record #> '{result,output,messages}') = 'array'
                                         THEN record #> '{result,output,messages}' ELSE '[]' END) WITH ORDINALITY a(value, nth)
         WHERE jsonb_typeof(a.value) = 'object'
         ORDER BY 1, a.nth DESC;
END
$$;
COMMENT ON FUNCTION vibe._answers(jsonb) IS 'The answers of a notifier in its exit record, one per message; the last one counts.';

-- Tables written: deliveries, chores, activities, notifications. A plain command's output is text, not
-- messages: its exit status answers for all. One that never ran, or says itself that it is to be tried later, has sent
-- nothing; after any other end without an answer nobody can know.
CREATE FUNCTION vibe._settle_batch(run vibe.runs, record jsonb, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    limits record := vibe._delivery_limits();
    is_plain boolean := coalesce(record #> '{result,output}' ? 'text' AND NOT record #> '{result,output}' ? 'messages', false);
    by_status boolean := is_plain AND run.outcome = 'done';
    sent_none boolean := run.outcome IN ('rate_limited', 'auth') OR (is_plain AND run.outcome = 'failed')
        OR (run.outcome = 'exec_error' AND coalesce(record ->> 'stdout_tail', '') = '');
    wait interval := vibe._wait_time(record -> 'retry_after_s');
    sent bigint;
    put_off bigint;
    asked interval;
BEGIN
    WITH answer AS (
        SELECT d.notification_id, a.status, coalesce(a.retry_after, wait) AS retry_after, coalesce(a.tried, true) AS tried,
               left(coalesce(a.error, run.error, CASE WHEN NOT by_status THEN 'there was no answer' END), 1000) AS error,
               d.attempts - (NOT coalesce(a.tried, true))::integer AS attempts,
               d.doubts + (a.status IS NULL AND NOT by_status AND NOT sent_none)::integer AS doubts
          FROM vibe.deliveries d
          LEFT JOIN vibe._answers(record) a ON a.message_id = d.message_id::text AND a.status IN ('sent', 'retry', 'failed')
         WHERE d.run_id = run.id AND d.state = 'pending'
    ), verdict AS (
        SELECT a.*, CASE WHEN a.status = 'sent' OR (a.status IS NULL AND by_status) THEN 'sent'
                         WHEN a.status = 'failed' OR a.doubts >= 2 OR a.attempts >= limits.max_attempts THEN 'failed'
                         ELSE 'pending' END AS state
          FROM answer a
    ), settled AS (
        UPDATE vibe.deliveries d
           SET state = v.state, attempts = v.attempts, doubts = v.doubts,
               sent_at = CASE WHEN v.state = 'sent' THEN at END,
               next_attempt_at = CASE WHEN v.state = 'pending' THEN at + coalesce(v.retry_after,
                   CASE WHEN v.tried THEN vibe._delivery_back_off(v.attempts) ELSE limits.rest END) END,
               error = CASE WHEN v.state = 'sent' THEN NULL
                            WHEN v.state = 'failed' AND v.doubts >= 2 THEN concat_ws(': ', 'nobody can tell whether it arrived', v.error)
                            ELSE v.error END
          FROM verdict v
         WHERE d.run_id = run.id AND d.notification_id = v.notification_id AND d.state = 'pending'
        RETURNING d.state, v.retry_after
    )
    SELECT count(*) FILTER (WHERE s.state = 'sent'), count(*) FILTER (WHERE s.state = 'pending'), max(s.retry_after)
      INTO sent, put_off, asked FROM settled s;
    PERFORM vibe._rest_channel(run, sent > 0 OR (put_off = 0 AND run.outcome = 'done'), asked, at);
    RETURN sent;
END
$$;
COMMENT ON FUNCTION vibe._settle_batch(vibe.runs, jsonb, timestamptz) IS 'What becomes of the messages of a notifier''s run that has ended: sent, to be sent again, or given up. Returns how many notifications were sent.';

-- Tables written: chores, activities, notifications.
CREATE FUNCTION vibe._rest_channel(run vibe.runs, works boolean, asked interval, at timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore vibe.chores;
    limits record := vibe._delivery_limits();
BEGIN
    UPDATE vibe.chores c
       SET run_id = NULL, failures = CASE WHEN works THEN 0 ELSE least(c.failures + 1, 30000) END,
           ready_at = at + CASE WHEN works OR asked IS NOT NULL THEN greatest(least(coalesce(asked, limits.rest), limits.longest_back_off), limits.rest)
                                ELSE vibe._delivery_back_off(c.failures + 1) END
     WHERE c.run_id = run.id
    RETURNING c.* INTO chore;
    -- Once in each row of failures: people need not be told that the same channel is still down.
    IF chore.failures = 3 THEN
        PERFORM vibe._record('channel_failed', format('Notifications cannot be sent on channel "%s": %s', chore.channel,
                coalesce((SELECT max(d.error) FROM vibe.deliveries d WHERE d.run_id = run.id AND d.channel = chore.channel), 'there was no answer')),
            jsonb_build_object('channel', chore.channel, 'run_id', run.id, 'outcome', run.outcome), NULL, NULL);
    END IF;
    RETURN chore.ready_at;
END
$$;
COMMENT ON FUNCTION vibe._rest_channel(vibe.runs, boolean, interval, timestamptz) IS 'Lets a channel go after a run: it rests for a moment, for as long as it asked for (an hour at most), or, where nothing got out, for a back-off that doubles.';
-- What the sweep does for one task: branches that are due but have no work, and a main line that lost its own.

-- The probe of vibe.runs is a subquery with a LIMIT on purpose: it stays an index probe, however many runs there are.
CREATE FUNCTION vibe._missing_branches(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT due.task_id, due.campaign_id, due.branch
      FROM (SELECT t.id AS task_id, t.campaign_id, s.branch, t.deliverables, s.deliverable
              FROM vibe.tasks t
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch <> ''
             WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
               AND vibe._is_past(t, s.trigger_after_step)
               AND s.branch <> ALL (t.cancelled_branches)
               AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = t.id AND w.branch = s.branch)
            -- What follows is asked of the few that are left.
            OFFSET 0) due
      LEFT JOIN vibe.campaigns c ON c.id = due.campaign_id
     WHERE vibe._wants(coalesce(due.deliverables, c.deliverables), due.deliverable)
       AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = due.task_id AND r.branch = due.branch
               AND r.outcome = 'done' AND NOT r.superseded LIMIT 1) IS NULL
     ORDER BY due.task_id, due.branch;
END;
COMMENT ON FUNCTION vibe._missing_branches(bigint, bigint) IS 'find_missing_branches() for the open tasks whose ids are above the first and up to the second.';

CREATE FUNCTION vibe.find_missing_branches()
    RETURNS TABLE (task_id bigint, campaign_id bigint, branch text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT b.task_id, b.campaign_id, b.branch FROM vibe._missing_branches(0, 9223372036854775807) b;
END;
COMMENT ON FUNCTION vibe.find_missing_branches() IS 'Branches of open tasks that are wanted and due, neither done nor cancelled, and without work: nothing would ever do them.';

-- Tables written: work. Only branches triggered before a main step: the others open with it.
CREATE FUNCTION vibe._requeue_branches(task vibe.tasks, before_step integer, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT count(vibe._open_branch(task, s, NULL, NULL, at))
          FROM vibe.pipeline_steps s
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> '' AND s.trigger_after_step < before_step
           AND vibe._wants(vibe._wanted(task), s.deliverable) AND s.branch <> ALL (task.cancelled_branches)
           AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = s.branch)
           AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = s.branch
                              AND r.outcome = 'done' AND NOT r.superseded));
END
$$;
COMMENT ON FUNCTION vibe._requeue_branches(vibe.tasks, integer, timestamptz) IS 'Opens branches of a task that are due but have no work; returns how many.';

-- Tables written: work, tasks. Locks, in order: the tasks, ids ascending. Also a main line that waits for branches
-- of which none is left.
CREATE FUNCTION vibe._mend_branches(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    main_line vibe.work;
    opened bigint;
    mended bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.ended_at IS NULL AND t.id IN (
            (SELECT b.task_id FROM vibe._missing_branches(after, last_id) b LIMIT 1000)
            UNION ALL
            (SELECT w.task_id FROM vibe.work w WHERE w.task_id > after AND w.task_id <= last_id
                AND w.waiting_for = 'branches' AND NOT vibe._has_open_branches(w.task_id) LIMIT 1000))
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- A claim takes a row of work without its task: one that is at it is not waited for.
        SELECT * INTO main_line FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '' FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '');
        opened := vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        IF main_line.waiting_for = 'branches' AND NOT vibe._has_open_branches(task.id) THEN
            PERFORM vibe._move_on(task, main_line.step - 1, NULL, NULL, at);
        ELSIF opened = 0 THEN
            CONTINUE;
        END IF;
        PERFORM vibe._record('orphan_requeued', format('Branches of task "%s" had no work and were looked after.', left(task.title, 200)),
            jsonb_build_object('branches_opened', opened), task.project_id, task.campaign_id, task.id);
        mended := mended + 1;
    END LOOP;
    RETURN mended;
END
$$;
COMMENT ON FUNCTION vibe._mend_branches(bigint, bigint, timestamptz) IS 'Opens missing branches of the open tasks with these ids, and main lines that wait for branches which are not there; returns how many tasks were mended.';

-- Tables written: work, tasks. Where the step has its result, its gate was waiting; where the task is blocked, it
-- still waits for a person.
CREATE FUNCTION vibe._restore_main_line(task vibe.tasks, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed bigint := 0;
BEGIN
    -- A main line that is done ends the task, if no branch is left.
    PERFORM vibe._move_on(task, coalesce(task.step - 1, 2147483647), NULL, NULL, at);
    UPDATE vibe.work w SET state = 'waiting', waiting_for = CASE WHEN task.status = 'blocked' THEN 'person' ELSE 'approval' END
     WHERE w.task_id = task.id AND w.branch = '' AND w.state = 'ready'
       AND (task.status = 'blocked' OR EXISTS (
            SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = '' AND r.step = task.step
                AND r.outcome = 'done' AND NOT r.superseded));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION vibe._restore_main_line(vibe.tasks, timestamptz) IS 'Gives a task the work of its main line back: ready, or waiting for what it waited for.';
-- What sweep() puts right: what a dead holder, a dead dispatcher or a lost row left behind. Each function does a
-- short batch and leaves what is busy for the next sweep. (The verb itself is in 68_sweep.sql.)

CREATE FUNCTION vibe.find_stale_locks(older_than interval DEFAULT NULL)
    RETURNS TABLE (run_id bigint, task_id bigint, branch text, agent_name text, renewed_at timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT r.id, r.task_id, r.branch, r.agent_name, r.renewed_at
      FROM vibe.runs r
     WHERE r.started_by = 'hand' AND r.closed_at IS NULL
       AND vibe.clock() - r.renewed_at >= coalesce(older_than, vibe._setting('stale_lock_after'))
     ORDER BY r.renewed_at;
END;
COMMENT ON FUNCTION vibe.find_stale_locks(interval) IS 'Hand-held locks that were not renewed for so long (vibe_orchestrator.stale_lock_after, 30 min, by default). A dispatched run has no lease and is never among them.';

CREATE FUNCTION vibe._orphaned_tasks(after bigint, last_id bigint)
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT t.id, t.campaign_id, t.step, t.status
      FROM vibe.tasks t
     WHERE t.ended_at IS NULL AND t.id > after AND t.id <= last_id
       AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = t.id AND w.branch = '')
       AND (t.step IS NOT NULL OR NOT vibe._has_open_branches(t.id))
     ORDER BY t.id;
END;
COMMENT ON FUNCTION vibe._orphaned_tasks(bigint, bigint) IS 'find_orphaned_tasks() among the open tasks whose ids are above the first and up to the second.';

CREATE FUNCTION vibe.find_orphaned_tasks()
    RETURNS TABLE (task_id bigint, campaign_id bigint, step integer, status text)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT o.task_id, o.campaign_id, o.step, o.status FROM vibe._orphaned_tasks(0, 9223372036854775807) o;
END;
COMMENT ON FUNCTION vibe.find_orphaned_tasks() IS 'Open tasks whose main line is not done but has no work, or that have no work at all: nothing would ever move them.';

-- Tables written: work, runs. Locks, in order: the tasks, ids ascending (those that are busy are left for the
-- next sweep).
CREATE FUNCTION vibe._free_stale_locks(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked bigint[];
    stale bigint[];
BEGIN
    locked := ARRAY(SELECT t.id FROM vibe.tasks t WHERE t.id IN (SELECT l.task_id FROM vibe.find_stale_locks() l)
        ORDER BY t.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    stale := ARRAY(SELECT l.run_id FROM vibe.find_stale_locks() l WHERE l.task_id = ANY (locked));
    PERFORM vibe._free_work(stale, at);
    PERFORM vibe._close_run(i, 'lost', 'its holder did not renew its lease', at) FROM unnest(stale) i;
    RETURN cardinality(stale);
END
$$;
COMMENT ON FUNCTION vibe._free_stale_locks(timestamptz) IS 'Ends hand-held runs whose lease was not renewed; their steps are ready again.';

-- The dispatcher's own death is no reason to touch its runs: their processes live on and the next dispatcher
-- adopts them. Only when there was none for longer than their supervisors wait are they gone. A copy of the
-- database (foreign home) knows nothing about processes elsewhere and leaves that to take_over().
CREATE FUNCTION vibe._free_dispatched_runs(gone_since timestamptz, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF gone_since IS NULL OR gone_since + vibe._setting('orphan_grace') + interval '10 seconds' > at
       OR NOT vibe._is_home() THEN
        RETURN 0;
    END IF;
    RETURN vibe._lose_dispatched_runs('there was no dispatcher for longer than orphan_grace', true, at);
END
$$;
COMMENT ON FUNCTION vibe._free_dispatched_runs(timestamptz, timestamptz) IS 'Loses the runs of a dispatcher that stayed away for longer than orphan_grace and the time its supervisors need to end their agents.';

-- Tables written: work, tasks. Locks, in order: the tasks, ids ascending.
CREATE FUNCTION vibe._requeue_orphans(after bigint, last_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
    requeued bigint := 0;
BEGIN
    FOR task IN
        SELECT t.* FROM vibe.tasks t
         WHERE t.id IN (SELECT o.task_id FROM vibe._orphaned_tasks(after, last_id) o LIMIT 1000)
         ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        -- Looked at again under the lock: a verb may have just given it work, or ended it.
        CONTINUE WHEN task.ended_at IS NOT NULL OR EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '')
            OR task.step IS NULL AND vibe._has_open_branches(task.id);
        PERFORM vibe._requeue_branches(task, coalesce(task.step, 2147483647), at);
        PERFORM vibe._restore_main_line(task, at);
        PERFORM vibe._record('orphan_requeued', format('Task "%s" had no work and was queued again.', left(task.title, 200)),
            jsonb_build_object('step', task.step), task.project_id, task.campaign_id, task.id);
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END
$$;
COMMENT ON FUNCTION vibe._requeue_orphans(bigint, bigint, timestamptz) IS 'Gives open tasks with these ids whose main line has no work their step back, 1000 at most.';

-- Tables written: campaigns, activities. Locks: campaign rows, of which those that are busy are left for the next
-- sweep.
CREATE FUNCTION vibe._finish_campaigns(at timestamptz)
    RETURNS bigint
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE vibe._finish_campaign(c.id, at))
      FROM (SELECT c.id FROM vibe.campaigns c
             WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision', 'paused')
               -- One that was reopened waits for the revisions that somebody is about to ask for.
               AND EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at >= coalesce(c.reopened_at, t.ended_at))
               AND NOT EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.campaign_id = c.id AND t.ended_at IS NULL)
             ORDER BY c.id
               FOR NO KEY UPDATE SKIP LOCKED) c;
END;
COMMENT ON FUNCTION vibe._finish_campaigns(timestamptz) IS 'Marks campaigns completed that have tasks but none open.';
-- What the sweep does besides mending: it asks for topics where a campaign runs dry, deletes what is older than its
-- retention, and keeps a history of what health() said.

-- The probe of vibe.runs is a subquery with a LIMIT on purpose: it stays an index probe, however many runs there are.
CREATE FUNCTION vibe._low_backlogs(since timestamptz)
    RETURNS TABLE (campaign_id bigint, project_id bigint, name text, agent_name text, threshold integer, unbegun bigint,
                   to_tell boolean, to_ask boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.project_id, c.name, coalesce(c.backlog_agent, 'vibe-keyword-researcher'), c.backlog_threshold, u.n,
           (q.told_at > since) IS NOT TRUE, (q.asked_at > since) IS NOT TRUE
      FROM vibe.campaigns c
      LEFT JOIN vibe.topic_requests q ON q.campaign_id = c.id
     CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT 1 FROM vibe.tasks t
                 WHERE t.campaign_id = c.id AND t.ended_at IS NULL AND t.status = 'backlog'
                   AND (SELECT r.id FROM vibe.runs r WHERE r.task_id = t.id LIMIT 1) IS NULL
                 ORDER BY t.campaign_id DESC, t.id DESC LIMIT c.backlog_threshold) open_task) u
     WHERE c.ended_at IS NULL AND c.status = 'active' AND c.backlog_threshold > 0
       AND (q.told_at > since AND q.asked_at > since) IS NOT TRUE
       AND u.n < c.backlog_threshold
     ORDER BY c.id LIMIT 100;
END;
COMMENT ON FUNCTION vibe._low_backlogs(timestamptz) IS 'Active campaigns with fewer open tasks that nobody has begun than their threshold, and whether people are to be told and their agent to be asked: unless that was done after since.';

-- An agent that was deleted, or that has no room for another request, is asked again at the next sweep.
CREATE FUNCTION vibe._request_topics(agent_name text, note text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = agent_name)
        AND (SELECT r.requested FROM vibe.request_heartbeat(agent_name, note) r);
END
$$;
COMMENT ON FUNCTION vibe._request_topics(text, text) IS 'Asks an agent for a heartbeat with a note; false where that cannot be done now.';

-- Tables written: topic_requests, notifications, and what a heartbeat writes. A copy of the database asks nobody.
CREATE FUNCTION vibe._ask_for_topics(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    low record;
    sentence text;
    asked boolean;
    requests bigint := 0;
BEGIN
    FOR low IN SELECT * FROM vibe._low_backlogs(at - vibe._setting('backlog_interval')) LOOP
        EXIT WHEN NOT vibe._is_home();
        sentence := format('Campaign "%s" has %s tasks that nobody has begun, fewer than %s.', left(low.name, 200), low.unbegun, low.threshold);
        asked := low.to_ask AND vibe._request_topics(low.agent_name,
            format('%s Find topics for it: its id is %s.', sentence, low.campaign_id));
        IF low.to_tell THEN
            PERFORM vibe._notify('backlog_low', sentence, jsonb_build_object('agent_name', low.agent_name, 'unbegun', low.unbegun,
                    'backlog_threshold', low.threshold), low.project_id, low.campaign_id);
        END IF;
        CONTINUE WHEN NOT (asked OR low.to_tell);
        INSERT INTO vibe.topic_requests AS q (campaign_id, told_at, asked_at)
        VALUES (low.campaign_id, at, CASE WHEN asked THEN at END)
        ON CONFLICT ON CONSTRAINT topic_requests_pkey DO UPDATE
           SET told_at = CASE WHEN low.to_tell THEN at ELSE q.told_at END,
               asked_at = CASE WHEN asked THEN at ELSE q.asked_at END;
        requests := requests + asked::integer;
    END LOOP;
    RETURN requests;
END
$$;
COMMENT ON FUNCTION vibe._ask_for_topics(timestamptz) IS 'Tells people of low backlogs and asks the backlog agents for topics, each once in vibe_orchestrator.backlog_interval; returns how many were asked.';

-- Ids go up with time, so what is old stands at the lower end of the key and no index on the time is needed.
CREATE FUNCTION vibe._prune_activities(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.activities a
     WHERE older_than > interval '0' AND a.at < _prune_activities.at - older_than
       AND a.id IN (SELECT o.id FROM vibe.activities o ORDER BY o.id LIMIT 1000);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_activities(interval, timestamptz) IS 'Deletes activities that are older, 1000 at most; zero keeps all.';

CREATE FUNCTION vibe._prune_runs(older_than interval)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN older_than > interval '0' THEN vibe._fold_and_prune_runs(older_than, 1000) ELSE 0 END;
END
$$;
COMMENT ON FUNCTION vibe._prune_runs(interval) IS 'Deletes runs that ended longer ago, of tasks that did too, 1000 at most, and keeps their sums; zero keeps all.';

-- Tables written: health_history. Whatever is wrong with a check is no reason to leave the sweep undone.
CREATE FUNCTION vibe._note_health(at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.health_history h WHERE h.at > _note_health.at - interval '55 seconds' AND h.at <= _note_health.at) THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.health_history (at, ok, warn, fail, detail)
    SELECT _note_health.at, count(*) FILTER (WHERE c.status = 'ok'), count(*) FILTER (WHERE c.status = 'warn'), count(*) FILTER (WHERE c.status = 'fail'),
           coalesce(jsonb_object_agg(c.check_name, jsonb_build_object('status', c.status, 'value', c.value)) FILTER (WHERE c.status <> 'ok'), '{}')
      FROM vibe.health() c;
    DELETE FROM vibe.health_history h
     WHERE h.at IN (SELECT o.at FROM vibe.health_history o WHERE o.at < _note_health.at - interval '30 days' ORDER BY o.at LIMIT 1000);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING USING MESSAGE = format('health was not noted: %s', SQLERRM);
    RETURN false;
END
$$;
COMMENT ON FUNCTION vibe._note_health(timestamptz) IS 'Adds a row to vibe.health_history, unless there is one of the last minute, and deletes those older than 30 days.';
-- The safety net. sweep() is idempotent, and safe at any time from anywhere: the row lock of vibe.sweep_state keeps
-- a second one out, whoever calls it (the dispatcher's timer, pg_cron, a person).

-- The next open tasks to be looked at for lost work: a quarter of them, 2500 at least and 50000 at most. How many
-- there are is what the last vacuum has counted; it decides how soon all have had their turn, and nothing else.
CREATE FUNCTION vibe._next_window(after bigint, OUT last_id bigint, OUT next bigint)
    RETURNS record
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    size integer := (SELECT least(greatest(c.reltuples / 4, 2500), 50000) FROM pg_class c WHERE c.oid = 'vibe.tasks_open_by_id_idx'::regclass);
BEGIN
    SELECT t.id INTO last_id FROM vibe.tasks t WHERE t.ended_at IS NULL AND t.id > after ORDER BY t.id OFFSET size - 1 LIMIT 1;
    next := coalesce(last_id, 0);
    last_id := coalesce(last_id, 9223372036854775807);
END
$$;
COMMENT ON FUNCTION vibe._next_window(bigint) IS 'Up to which id the open tasks above the given one are looked at now, and above which one the next time.';

CREATE FUNCTION vibe._count_told(above bigint)
    RETURNS bigint
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT count(*) FROM vibe.notifications n WHERE n.id > above AND n.xmin = pg_current_xact_id_if_assigned()::xid;
END;
COMMENT ON FUNCTION vibe._count_told(bigint) IS 'How many notifications with higher ids than this one the transaction has made.';

CREATE FUNCTION vibe.sweep()
    RETURNS TABLE (swept boolean, stale_locks_released bigint, dispatched_runs_lost bigint, back_offs_ended bigint,
                   orphans_dispatched bigint, campaigns_completed bigint, branches_dispatched bigint, backlog_requests bigint,
                   notifications_queued bigint, runs_pruned bigint, activities_pruned bigint, notifications_pruned bigint,
                   service_calls_pruned bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    state vibe.sweep_state;
    seen bigint;
    part record;
BEGIN
    SELECT * INTO state FROM vibe.sweep_state s FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint;
        RETURN;
    END IF;
    swept := true;
    seen := (SELECT coalesce(max(n.id), 0) FROM vibe.notifications n);
    state.dispatcher_gone_since := CASE WHEN vibe._dispatcher_pid() IS NULL THEN coalesce(state.dispatcher_gone_since, at) END;
    SELECT w.last_id, w.next INTO part FROM vibe._next_window(state.looked_up_to) w;
    stale_locks_released := vibe._free_stale_locks(at);
    dispatched_runs_lost := vibe._free_dispatched_runs(state.dispatcher_gone_since, at);
    back_offs_ended := vibe._promote_due();
    orphans_dispatched := vibe._requeue_orphans(state.looked_up_to, part.last_id, at);
    branches_dispatched := vibe._mend_branches(state.looked_up_to, part.last_id, at);
    campaigns_completed := vibe._finish_campaigns(at);
    backlog_requests := vibe._ask_for_topics(at);
    runs_pruned := vibe._prune_runs(vibe._setting('run_retention'));
    activities_pruned := vibe._prune_activities(vibe._setting('activity_retention'), at);
    notifications_pruned := vibe._prune_notifications(vibe._setting('notification_retention'), at);
    service_calls_pruned := vibe._prune_service_calls(at);
    notifications_queued := vibe._count_told(seen);
    UPDATE vibe.sweep_state s SET swept_at = at, dispatcher_gone_since = state.dispatcher_gone_since, looked_up_to = part.next;
    PERFORM vibe._note_health(at);
    IF stale_locks_released + dispatched_runs_lost + back_offs_ended + orphans_dispatched + branches_dispatched > 0 THEN
        PERFORM vibe._wake(true);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.sweep() IS 'Puts right what was left behind, in short batches, and counts it: hand-held locks not renewed, runs of a dispatcher that stayed away, back-offs that are over, open tasks without work, tasks with branches that are due and lost (a cancelled branch stays so), finished campaigns not marked; backlog agents asked for topics; notifications that this sweep caused; runs, activities, notifications and service calls older than their retention. Of many open tasks each sweep looks at a quarter for lost work. swept is false if another sweep was at it. Raises VB022.';
-- pg_cron as a second one who sweeps, and as the clock of heartbeats. It lives in one database of the server and is
-- no requirement of ours, so its functions are named in statements that are run where it is there, and handed to the
-- caller elsewhere.
--
-- Each job guards itself: it outlives DROP EXTENSION, and what it is about, without an error a minute.

CREATE FUNCTION vibe._cron_command()
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT $command$DO $$BEGIN IF to_regprocedure('vibe.sweep()') IS NOT NULL THEN PERFORM vibe.sweep(); END IF; END$$$command$::pg_catalog.text;
END;
COMMENT ON FUNCTION vibe._cron_command() IS 'The sweep as a pg_cron job.';

CREATE FUNCTION vibe._cron_heartbeat_command(agent_name text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT pg_catalog.format($command$DO $$BEGIN IF to_regprocedure('vibe.request_heartbeat(text,text)') IS NOT NULL THEN PERFORM vibe.request_heartbeat(a.name) FROM vibe.current_agents a WHERE a.name = %L AND a.heartbeat_schedule IS NOT NULL; END IF; END$$$command$, agent_name);
END;
COMMENT ON FUNCTION vibe._cron_heartbeat_command(text) IS 'The heartbeat of an agent as a pg_cron job; it does nothing for an agent that has no schedule any more.';

CREATE FUNCTION vibe._cron_job_name()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'vibe_sweep_' || current_database();
END;
COMMENT ON FUNCTION vibe._cron_job_name() IS 'Name of this database''s pg_cron job that sweeps.';

CREATE FUNCTION vibe._cron_is_ours()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT format('(j.jobname IN (%L, %L) OR j.database = %L AND starts_with(j.jobname, %L))', vibe._cron_job_name(),
                  'vibe_history_' || current_database(), current_database(), 'vibe_heartbeat_' || current_database() || '_');
END;
COMMENT ON FUNCTION vibe._cron_is_ours() IS 'The condition that a row j of cron.job is a job of this database''s extension.';

-- Deleted are also runs of jobs that were taken away meanwhile.
CREATE FUNCTION vibe._cron_history_command()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT format('DELETE FROM cron.job_run_details d WHERE coalesce(d.end_time, d.start_time) < now() - interval ''7 days'' AND '
                  '(d.jobid IN (SELECT j.jobid FROM cron.job j WHERE %s) OR d.database = %L AND starts_with(d.command, %L))',
                  vibe._cron_is_ours(), current_database(), $command$DO $$BEGIN IF to_regprocedure('vibe.$command$);
END;
COMMENT ON FUNCTION vibe._cron_history_command() IS 'Deletes what pg_cron has noted about runs of our jobs a week ago and earlier; to be run in pg_cron''s database.';

CREATE FUNCTION vibe._cron_jobs(schedule text)
    RETURNS TABLE (job_name text, schedule text, command text, in_cron_database boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._cron_job_name(), _cron_jobs.schedule, vibe._cron_command(), false
    UNION ALL
    SELECT 'vibe_history_' || current_database(), '41 3 * * *', vibe._cron_history_command(), true
    UNION ALL
    (SELECT format('vibe_heartbeat_%s_%s', current_database(), a.name), a.heartbeat_schedule, vibe._cron_heartbeat_command(a.name), false
       FROM vibe.current_agents a WHERE a.heartbeat_schedule IS NOT NULL ORDER BY a.name);
END;
COMMENT ON FUNCTION vibe._cron_jobs(text) IS 'The jobs that pg_cron should have: the sweep, on this schedule; the deletion of their history; a heartbeat for each agent that has a schedule.';

CREATE FUNCTION vibe.enable_cron(schedule text DEFAULT '*/10 * * * *')
    RETURNS TABLE (scheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here boolean := to_regprocedure('cron.schedule(text,text,text)') IS NOT NULL;
    job record;
    names text[] := '{}';
BEGIN
    IF btrim(coalesce(enable_cron.schedule, '')) = '' THEN
        PERFORM vibe._invalid_argument('schedule', enable_cron.schedule, 'Use five cron fields, such as */10 * * * *.');
    END IF;
    scheduled := here;
    FOR job IN SELECT * FROM vibe._cron_jobs(enable_cron.schedule) LOOP
        job_name := job.job_name;
        statement := CASE WHEN here OR job.in_cron_database
            THEN format('SELECT cron.schedule(%L, %L, %L);', job.job_name, job.schedule, job.command)
            ELSE format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', job.job_name, job.schedule, job.command, current_database()) END;
        IF here THEN
            EXECUTE statement;
        END IF;
        names := names || job.job_name;
        RETURN NEXT;
    END LOOP;
    job_name := NULL;
    statement := format('SELECT cron.unschedule(j.jobid) FROM cron.job j WHERE %s AND j.jobname <> ALL (%L::text[]);', vibe._cron_is_ours(), names);
    IF here THEN
        EXECUTE statement;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.enable_cron(text) IS 'Schedules with pg_cron the sweep, the heartbeat of each agent that has a schedule, and the deletion of what pg_cron notes about these jobs; the last row, without a job_name, takes the jobs of agents away that have no schedule any more. In pg_cron''s own database it does so (scheduled = true); elsewhere each statement is to be run there. To be called again when schedules have changed. Raises VB030, and pg_cron''s error for a schedule that it cannot read.';

CREATE FUNCTION vibe.disable_cron()
    RETURNS TABLE (unscheduled boolean, job_name text, statement text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    names text[];
BEGIN
    statement := format('SELECT cron.unschedule(j.jobid) FROM cron.job j WHERE %s;', vibe._cron_is_ours());
    IF to_regprocedure('cron.schedule(text,text,text)') IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(j.jobname::text ORDER BY j.jobname::text) FROM cron.job j WHERE %s', vibe._cron_is_ours()) INTO names;
        EXECUTE statement;
    END IF;
    unscheduled := names IS NOT NULL;
    FOREACH job_name IN ARRAY coalesce(names, ARRAY[vibe._cron_job_name()]) LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vibe.disable_cron() IS 'Takes every job of this database out of pg_cron: the sweep, the heartbeats, the deletion of their history. In pg_cron''s own database it does so, with a row for each, or one where unscheduled is false; elsewhere statement is what to run there.';
-- Verbs of the registry of external services. A secret is refused, never stored and never repeated in a message:
-- what an agent needs to call a service reaches it through its environment (pass_env, secret_env of its runner).

CREATE TYPE vibe.service_info AS (
    name text, capability text, priority integer, env_var text, base_url text, use_cases text[],
    cost_per_call_usd numeric, config jsonb, is_active boolean, health text, open_until timestamptz, failures_in_a_row bigint);
COMMENT ON TYPE vibe.service_info IS 'A service and its health, as functions return it.';

CREATE TYPE vibe.service_category_info AS (
    name text, description text, is_preset boolean, services bigint, active_services bigint);
COMMENT ON TYPE vibe.service_category_info IS 'A service category and how many services it has, as functions return it.';

CREATE FUNCTION vibe.list_services(capability text DEFAULT NULL)
    RETURNS SETOF vibe.service_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.name, s.capability, s.priority, s.env_var, s.base_url, s.use_cases, s.cost_per_call_usd, s.config,
           s.is_active, h.health, h.open_until, h.failures_in_a_row
      FROM vibe.services s
     CROSS JOIN LATERAL vibe._service_health(s.name) h
     WHERE list_services.capability IS NULL OR s.capability = list_services.capability
     ORDER BY s.capability, s.priority, s.name;
END;
COMMENT ON FUNCTION vibe.list_services(text) IS 'Services, inactive ones included, of one capability or of all, by priority: health is ok or open_circuit (open_until says until when).';

CREATE FUNCTION vibe.list_service_categories()
    RETURNS SETOF vibe.service_category_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.name, c.description, c.is_preset, count(s.name), count(s.name) FILTER (WHERE s.is_active)
      FROM vibe.service_categories c
      LEFT JOIN vibe.services s ON s.capability = c.name
     GROUP BY c.name
     ORDER BY c.name;
END;
COMMENT ON FUNCTION vibe.list_service_categories() IS 'The capabilities that services can have, and how many services each has.';

-- Keys have a known beginning or are long and random; a name of a variable is neither.
CREATE FUNCTION vibe._looks_like_secret(value text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(
        value ~ '(^|[^A-Za-z0-9])(sk|pk|rk)[-_][A-Za-z0-9_-]{8,}'
        OR value ~ '^(gh[oprsu]_|github_pat_|xox[a-z]-|glpat-|AKIA|ASIA|AIza|ya29\.|SG\.|hf_|eyJ)[A-Za-z0-9._-]{8,}'
        OR value ~ '^[0-9]{6,}:[A-Za-z0-9_-]{20,}$'
        OR value ~* '^(bearer|basic)\s+\S{8,}'
        OR value ~ '-----BEGIN '
        OR value ~ '://[^/@\s]*@'
        OR value ~* '[?&](api[_-]?key|access[_-]?token|key|token|secret|password)=.'
        OR (value ~ '^[A-Za-z0-9+/]{32,}={0,2}$' AND value ~ '[0-9]' AND value ~ '[A-Za-z]')
        OR (value ~ '^[A-Za-z0-9_-]{40,}$' AND value ~ '[0-9]' AND value ~ '[a-z]' AND value ~ '[A-Z]')
        OR (value ~ '^[A-Z0-9]{16,}$' AND value ~ '[0-9]'), false);
END;
COMMENT ON FUNCTION vibe._looks_like_secret(text) IS 'Whether a text looks like a key, a token, or a URL with one in it.';

CREATE FUNCTION vibe._secret_in(config jsonb)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    WITH RECURSIVE walk(key, value) AS (
        SELECT 'config', config
        UNION ALL
        SELECT e.key, e.value
          FROM walk w
         CROSS JOIN LATERAL (
            SELECT o.key, o.value FROM jsonb_each(CASE WHEN jsonb_typeof(w.value) = 'object' THEN w.value ELSE '{}' END) o
            UNION ALL
            SELECT w.key, a.value FROM jsonb_array_elements(CASE WHEN jsonb_typeof(w.value) = 'array' THEN w.value ELSE '[]' END) a) e
    )
    SELECT min(w.key) FROM walk w
     WHERE vibe._looks_like_secret(w.key)
        OR (jsonb_typeof(w.value) IN ('string', 'number')
            AND (vibe._looks_like_secret(w.value #>> '{}')
                 OR w.key ~* '(^key|(api|access|private|secret)[_-]?key|token|secret|password|passwd|passphrase|authorization|credentials?)$'));
END;
COMMENT ON FUNCTION vibe._secret_in(jsonb) IS 'The key of a value that is, by its name or its looks, a secret; NULL where there is none.';

CREATE FUNCTION vibe._service_not_found(what text, name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB070',
        MESSAGE = format('%s not found', what),
        DETAIL = format('There is no %s %s.', what, coalesce(quote_literal(left(name, 200)), 'NULL')),
        HINT = CASE what WHEN 'service' THEN 'SELECT * FROM vibe.list_services() lists them; vibe.register_service(name, capability) adds one.'
            ELSE 'SELECT * FROM vibe.list_service_categories() lists them; vibe.register_service_category(name, description) adds one.' END;
END
$$;
COMMENT ON FUNCTION vibe._service_not_found(text, text) IS 'Raises VB070 for a service or a service category.';

CREATE FUNCTION vibe._check_capability(capability text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.service_categories c WHERE c.name = _check_capability.capability) THEN
        PERFORM vibe._service_not_found('service category', _check_capability.capability);
    END IF;
    RETURN capability;
END
$$;
COMMENT ON FUNCTION vibe._check_capability(text) IS 'Raises VB070 for a capability that is no service category.';

CREATE FUNCTION vibe._check_service_names(capability text, service_names text[])
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given text;
BEGIN
    PERFORM vibe._check_capability(_check_service_names.capability);
    IF (SELECT count(*) <> count(DISTINCT n) FROM unnest(service_names) n) THEN
        PERFORM vibe._invalid_argument('service_names', service_names::text, 'Name each service once.');
    END IF;
    FOREACH given IN ARRAY service_names LOOP
        IF NOT EXISTS (SELECT 1 FROM vibe.services s
                        WHERE s.name = given AND s.capability = _check_service_names.capability) THEN
            PERFORM vibe._service_not_found('service', given);
        END IF;
    END LOOP;
    RETURN service_names;
END
$$;
COMMENT ON FUNCTION vibe._check_service_names(text, text[]) IS 'Raises VB070 for an unknown capability or a name that is no service of it, VB030 for one that is NULL or there twice.';

CREATE FUNCTION vibe._check_service(given vibe.services)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hidden text := 'a value that is not repeated here';
    told text := 'Store the key in the environment of the agents'' runner and name the variable in env_var.';
BEGIN
    IF given.name IS NULL OR given.name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' OR vibe._looks_like_secret(given.name) THEN
        PERFORM vibe._invalid_argument('name', hidden, 'Use 1 to 100 letters, digits, ".", "_" and "-"; not a key.');
    ELSIF given.env_var !~ '^[A-Z][A-Z0-9_]{0,63}$' OR vibe._looks_like_secret(given.env_var) THEN
        PERFORM vibe._invalid_argument('env_var', hidden,
            'Give the name of an environment variable in capitals, such as OPENAI_API_KEY, never its value.');
    ELSIF given.base_url !~ E'^https?://[^\\s@]+$' OR length(given.base_url) > 2000 OR vibe._looks_like_secret(given.base_url) THEN
        PERFORM vibe._invalid_argument('base_url', hidden, 'Use a http or https URL without a password or a key. ' || told);
    ELSIF jsonb_typeof(given.config) <> 'object' OR length(given.config::text) > 10000 THEN
        PERFORM vibe._invalid_argument('config', hidden, 'Use a JSON object of at most 10000 characters.');
    ELSIF vibe._secret_in(given.config) IS NOT NULL THEN
        PERFORM vibe._invalid_argument('config', hidden, 'One of its values looks like a secret. ' || told);
    ELSIF NOT (given.cost_per_call_usd >= 0 AND given.cost_per_call_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('cost_per_call_usd', given.cost_per_call_usd::text, 'Use 0 or more, or NULL where it is unknown.');
    ELSIF EXISTS (SELECT 1 FROM unnest(given.use_cases) u WHERE u IS NULL OR vibe._looks_like_secret(u)) THEN
        PERFORM vibe._invalid_argument('use_cases', hidden, 'Use words such as hero_image; leave NULL out.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_service(vibe.services) IS 'Raises VB030 for what no service may be, secrets above all; given values are not repeated where they could be one.';

-- Tables written: services.
CREATE FUNCTION vibe.register_service(
    name text, capability text, env_var text DEFAULT NULL, priority integer DEFAULT NULL, base_url text DEFAULT NULL,
    config jsonb DEFAULT NULL, use_cases text[] DEFAULT NULL, cost_per_call_usd numeric DEFAULT NULL
)
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given vibe.services;
BEGIN
    given.created_at := vibe._begin_verb();
    given.name := register_service.name;
    given.capability := register_service.capability;
    given.priority := register_service.priority;
    given.env_var := register_service.env_var;
    given.base_url := register_service.base_url;
    given.config := register_service.config;
    given.use_cases := register_service.use_cases;
    given.cost_per_call_usd := register_service.cost_per_call_usd;
    PERFORM vibe._check_service(given);
    PERFORM vibe._check_capability(given.capability);
    INSERT INTO vibe.services AS s (name, capability, priority, env_var, base_url, use_cases, cost_per_call_usd, config, created_at)
    SELECT given.name, given.capability, coalesce(given.priority, max(o.priority) + 1, 1), given.env_var, given.base_url,
           coalesce(given.use_cases, '{}'), given.cost_per_call_usd, coalesce(given.config, '{}'), given.created_at
      FROM vibe.services o WHERE o.capability = given.capability
    ON CONFLICT ON CONSTRAINT services_pkey DO UPDATE SET
        priority = coalesce(given.priority, s.priority), env_var = coalesce(given.env_var, s.env_var),
        base_url = coalesce(given.base_url, s.base_url), use_cases = coalesce(given.use_cases, s.use_cases),
        cost_per_call_usd = coalesce(given.cost_per_call_usd, s.cost_per_call_usd), config = coalesce(given.config, s.config)
    WHERE s.capability = given.capability;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a service with this name serves another capability',
            DETAIL = format('The name is "%s", its capability "%s".', given.name, (SELECT o.capability FROM vibe.services o WHERE o.name = given.name)),
            HINT = format('Give it another name here, such as "%s-%s".', given.name, given.capability);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_services(given.capability) l WHERE l.name = given.name;
END
$$;
COMMENT ON FUNCTION vibe.register_service(text, text, text, integer, text, jsonb, text[], numeric) IS 'Inserts a service of a capability, or changes the given fields of one. env_var names the environment variable with its key; anything that looks like a key is refused. Without a priority it comes last in its chain. use_cases narrows what it is used for. Raises VB022, VB030 (invalid argument), VB032 (the name serves another capability), VB070 (capability).';

CREATE FUNCTION vibe.set_service_active(name text, active boolean)
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed text;
BEGIN
    PERFORM vibe._begin_verb();
    IF set_service_active.active IS NULL THEN
        PERFORM vibe._invalid_argument('active', NULL, 'Use true or false.');
    END IF;
    UPDATE vibe.services s SET is_active = set_service_active.active WHERE s.name = set_service_active.name
    RETURNING s.capability INTO changed;
    IF NOT FOUND THEN
        PERFORM vibe._service_not_found('service', set_service_active.name);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_services(changed) l WHERE l.name = set_service_active.name;
END
$$;
COMMENT ON FUNCTION vibe.set_service_active(text, boolean) IS 'Takes a service out of all chains, or back in at its place. Raises VB022, VB030, VB070 (service).';

-- Locks: the services of the capability, by name.
CREATE FUNCTION vibe.reorder_services(capability text, service_names text[])
    RETURNS SETOF vibe.service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF coalesce(cardinality(reorder_services.service_names), 0) = 0 THEN
        PERFORM vibe._invalid_argument('service_names', reorder_services.service_names::text, 'Name the services in their order.');
    END IF;
    PERFORM 1 FROM vibe.services s WHERE s.capability = reorder_services.capability ORDER BY s.name FOR NO KEY UPDATE;
    PERFORM vibe._check_service_names(reorder_services.capability, reorder_services.service_names);
    UPDATE vibe.services s SET priority = o.place
      FROM (SELECT x.name, row_number() OVER (ORDER BY array_position(reorder_services.service_names, x.name), x.priority, x.name) AS place
              FROM vibe.services x WHERE x.capability = reorder_services.capability) o
     WHERE s.name = o.name AND s.priority <> o.place;
    RETURN QUERY SELECT l.* FROM vibe.list_services(reorder_services.capability) l;
END
$$;
COMMENT ON FUNCTION vibe.reorder_services(text, text[]) IS 'Puts the named services of a capability first, in this order; the others follow as they did. Raises VB022, VB030, VB070 (capability, or no service of it).';
-- Verbs about who uses which services: categories, what agents need, and a campaign's own chains.

-- Tables written: service_categories.
CREATE FUNCTION vibe.register_service_category(name text, description text)
    RETURNS SETOF vibe.service_category_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF register_service_category.name IS NULL OR register_service_category.name !~ '^[a-z0-9][a-z0-9_]{0,62}$' THEN
        PERFORM vibe._invalid_argument('name', register_service_category.name, 'Use 1 to 63 lower-case letters, digits and "_".');
    ELSIF btrim(coalesce(register_service_category.description, '')) = '' THEN
        PERFORM vibe._invalid_argument('description', register_service_category.description, 'Say what it is good for.');
    END IF;
    INSERT INTO vibe.service_categories AS c (name, description)
    VALUES (register_service_category.name, register_service_category.description)
    ON CONFLICT ON CONSTRAINT service_categories_pkey DO UPDATE SET description = excluded.description WHERE NOT c.is_preset;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a service category with this name came with the extension',
            DETAIL = format('The name is "%s".', register_service_category.name),
            HINT = 'Use it as it is, or choose another name.';
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_service_categories() l WHERE l.name = register_service_category.name;
END
$$;
COMMENT ON FUNCTION vibe.register_service_category(text, text) IS 'Adds a capability that services can have, or changes the description of one of yours. Raises VB022, VB030, VB032 (it came with the extension).';

CREATE FUNCTION vibe._check_agent(agent_name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.agents a WHERE a.name = _check_agent.agent_name) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB004',
            MESSAGE = 'agent not found',
            DETAIL = format('There is no agent %s.', coalesce(quote_literal(left(agent_name, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
    END IF;
    RETURN agent_name;
END
$$;
COMMENT ON FUNCTION vibe._check_agent(text) IS 'Raises VB004 for an agent that is not there.';

CREATE TYPE vibe.agent_service_info AS (agent_name text, capability text, required boolean);
COMMENT ON TYPE vibe.agent_service_info IS 'A capability that an agent uses, as functions return it.';

-- Tables written: agent_services.
CREATE FUNCTION vibe.require_service(agent_name text, capability text, required boolean DEFAULT true)
    RETURNS SETOF vibe.agent_service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_agent(require_service.agent_name), vibe._check_capability(require_service.capability);
    IF require_service.required IS NULL THEN
        PERFORM vibe._invalid_argument('required', NULL, 'Use true, or false for what it can do without.');
    END IF;
    RETURN QUERY
        INSERT INTO vibe.agent_services AS x (agent_name, capability, required)
        VALUES (require_service.agent_name, require_service.capability, require_service.required)
        ON CONFLICT ON CONSTRAINT agent_services_pkey DO UPDATE SET required = excluded.required
        RETURNING x.agent_name, x.capability, x.required;
END
$$;
COMMENT ON FUNCTION vibe.require_service(text, text, boolean) IS 'Notes that an agent uses a capability, which it cannot work without (required) or works less well without. Raises VB004 (agent), VB022, VB030, VB070 (capability).';

-- Tables written: agent_services. Locks: the agent's row, so that two lists do not mix.
CREATE FUNCTION vibe.set_agent_services(agent_name text, required text[] DEFAULT '{}', optional text[] DEFAULT '{}')
    RETURNS SETOF vibe.agent_service_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted text[] := coalesce(set_agent_services.required, '{}') || coalesce(set_agent_services.optional, '{}');
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_agent(set_agent_services.agent_name);
    PERFORM vibe._check_capability(w) FROM unnest(wanted) w;
    IF cardinality(wanted) <> (SELECT count(DISTINCT w) FROM unnest(wanted) w) THEN
        PERFORM vibe._invalid_argument('optional', wanted::text, 'Name each capability once, as required or as optional.');
    END IF;
    PERFORM 1 FROM vibe.agents a WHERE a.name = set_agent_services.agent_name FOR NO KEY UPDATE;
    DELETE FROM vibe.agent_services x WHERE x.agent_name = set_agent_services.agent_name AND x.capability <> ALL (wanted);
    INSERT INTO vibe.agent_services AS x (agent_name, capability, required)
    SELECT set_agent_services.agent_name, w, w = ANY (coalesce(set_agent_services.required, '{}')) FROM unnest(wanted) w
    ON CONFLICT ON CONSTRAINT agent_services_pkey DO UPDATE SET required = excluded.required;
    RETURN QUERY
        SELECT x.agent_name, x.capability, x.required FROM vibe.agent_services x
         WHERE x.agent_name = set_agent_services.agent_name ORDER BY x.capability;
END
$$;
COMMENT ON FUNCTION vibe.set_agent_services(text, text[], text[]) IS 'Replaces the list of capabilities that an agent uses. Locks the agent''s row. Raises VB004 (agent), VB022, VB030, VB070 (capability).';

CREATE FUNCTION vibe.agent_service_status(agent_name text DEFAULT NULL)
    RETURNS TABLE (agent text, status text, reasons text[])
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF agent_service_status.agent_name IS NOT NULL THEN
        PERFORM vibe._check_agent(agent_service_status.agent_name);
    END IF;
    RETURN QUERY
        SELECT a.name,
               CASE WHEN bool_or(c.required AND c.active = 0) THEN 'disabled'
                    WHEN bool_or(c.active = 0 OR c.healthy = 0) THEN 'degraded'
                    ELSE 'enabled' END,
               coalesce(array_agg(format('%s %s: %s', CASE WHEN c.required THEN 'required' ELSE 'optional' END, c.capability,
                                         CASE WHEN c.active = 0 THEN 'no active service' ELSE 'every service has an open circuit' END)
                                  ORDER BY c.required DESC, c.capability) FILTER (WHERE c.active = 0 OR c.healthy = 0), '{}')
          FROM vibe.agents a
          LEFT JOIN LATERAL vibe._agent_capabilities(a.name) c ON true
         WHERE agent_service_status.agent_name IS NULL OR a.name = agent_service_status.agent_name
         GROUP BY a.name
         ORDER BY a.name;
END
$$;
COMMENT ON FUNCTION vibe.agent_service_status(text) IS 'Whether an agent, or each of them, has the services it uses: disabled (a required capability has no active service), degraded (an optional one has none, or all services of one have an open circuit) or enabled, and why. It forbids nothing. Raises VB004.';

-- Tables written: service_overrides. Locks: the campaign row is only held against its deletion.
CREATE FUNCTION vibe.set_service_override(campaign_id bigint, capability text, service_names text[])
    RETURNS TABLE (place bigint, service text, is_active boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = set_service_override.campaign_id) THEN
        PERFORM vibe._campaign_not_found(set_service_override.campaign_id);
    END IF;
    PERFORM vibe._check_service_names(set_service_override.capability, coalesce(set_service_override.service_names, '{}'));
    IF coalesce(cardinality(set_service_override.service_names), 0) = 0 THEN
        DELETE FROM vibe.service_overrides o
         WHERE o.campaign_id = set_service_override.campaign_id AND o.capability = set_service_override.capability;
        RETURN;
    END IF;
    INSERT INTO vibe.service_overrides AS o (campaign_id, capability, service_names)
    VALUES (set_service_override.campaign_id, set_service_override.capability, set_service_override.service_names)
    ON CONFLICT ON CONSTRAINT service_overrides_pkey DO UPDATE SET service_names = excluded.service_names;
    RETURN QUERY
        SELECT n.place, s.name, s.is_active
          FROM unnest(set_service_override.service_names) WITH ORDINALITY n(name, place)
          JOIN vibe.services s ON s.name = n.name
         ORDER BY n.place;
END
$$;
COMMENT ON FUNCTION vibe.set_service_override(bigint, text, text[]) IS 'Gives a campaign a chain of its own for a capability: these services in this order and no others. NULL or an empty array removes it (no row comes back). Raises VB002, VB022, VB030, VB070 (capability, or no service of it).';
-- What happens at work: which service to call, and how a call went. Agents read no table, so both run with their
-- owner's rights and take the token of a run; people need none.

-- No lock: a log line or a look at the chain changes nothing that the token fences.
CREATE FUNCTION vibe._calling_run(run_id bigint, lock_token text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run vibe.runs;
BEGIN
    SELECT * INTO run FROM vibe.runs r WHERE r.id = _calling_run.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(_calling_run.run_id);
    ELSIF run.token_hash <> vibe._token_hash(_calling_run.lock_token) THEN
        PERFORM vibe._lock_lost(run.id, 'The token is not the one of this run.');
    ELSIF run.closed_at IS NOT NULL OR NOT vibe._holds_its_step(run) THEN
        PERFORM vibe._lock_lost(run.id, format('Run %s does not hold its step any more.', run.id));
    END IF;
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._calling_run(bigint, text) IS 'The open run of that id and token, not locked. Raises VB006, VB011.';

CREATE FUNCTION vibe._no_service(capability text, campaign_id bigint, use_case text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own text[] := (SELECT o.service_names FROM vibe.service_overrides o
                    WHERE o.campaign_id = _no_service.campaign_id AND o.capability = _no_service.capability);
    known text;
BEGIN
    SELECT string_agg(format('%s (%s)', s.name, CASE WHEN s.is_active THEN 'active' ELSE 'inactive' END), ', ' ORDER BY s.priority, s.name)
      INTO known FROM vibe.services s WHERE s.capability = _no_service.capability;
    RAISE EXCEPTION USING
        ERRCODE = 'VB071',
        MESSAGE = format('no service is available for "%s"', capability),
        DETAIL = format('Registered: %s.', coalesce(known, 'none'))
            || CASE WHEN own IS NULL THEN '' ELSE format(' Campaign %s uses only: %s.', campaign_id, array_to_string(own, ', ')) END
            || CASE WHEN use_case IS NULL THEN '' ELSE format(' Asked for was use case %L.', left(use_case, 200)) END,
        HINT = CASE WHEN own IS NOT NULL THEN format('SELECT * FROM vibe.set_service_override(%s, %L, NULL) goes back to the usual chain.', campaign_id, capability)
            WHEN known IS NULL THEN format('SELECT * FROM vibe.register_service(name => …, capability => %L);', capability)
            ELSE 'SELECT * FROM vibe.set_service_active(name, true) puts a service back; required => false gives no row instead.' END;
END
$$;
COMMENT ON FUNCTION vibe._no_service(text, bigint, text) IS 'Raises VB071 with what there is and the call that would help.';

CREATE FUNCTION vibe.resolve_service(
    capability text, campaign_id bigint DEFAULT NULL, use_case text DEFAULT NULL, required boolean DEFAULT true,
    run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL
)
    RETURNS TABLE (place bigint, service text, priority integer, env_var text, base_url text, config jsonb,
                   cost_per_call_usd numeric, health text, open_until timestamptz, source text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign bigint := resolve_service.campaign_id;
BEGIN
    IF resolve_service.lock_token IS NOT NULL THEN
        campaign := (vibe._calling_run(resolve_service.run_id, resolve_service.lock_token)).campaign_id;
    ELSIF NOT vibe._may('vibe_viewer') THEN
        PERFORM vibe._require_operator('lock_token');
    ELSIF campaign IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = campaign) THEN
        PERFORM vibe._campaign_not_found(campaign);
    END IF;
    PERFORM vibe._check_capability(resolve_service.capability);
    RETURN QUERY SELECT c.* FROM vibe._service_chain(resolve_service.capability, campaign, resolve_service.use_case) c;
    IF NOT FOUND AND resolve_service.required IS DISTINCT FROM false THEN
        PERFORM vibe._no_service(resolve_service.capability, campaign, resolve_service.use_case);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.resolve_service(text, bigint, text, boolean, bigint, text) IS 'The services to try for a capability, in their order: the campaign''s own chain (source override) or the usual one by priority (default); inactive ones, and those for other use cases, are left out, and one with an open circuit comes last (health open_circuit, open_until). env_var names the variable with the key. An agent gives run_id and lock_token, and its own campaign counts. Without any service: an error, or no row with required => false. Locks nothing. Raises VB002, VB006, VB011, VB060 (an agent without its token), VB070 (capability), VB071 (no service is available).';

CREATE FUNCTION vibe._check_call(service text, status text, duration_ms integer, retry_after interval, cost_usd numeric)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.services s WHERE s.name = _check_call.service) THEN
        PERFORM vibe._service_not_found('service', _check_call.service);
    ELSIF (status IN ('success', 'failed', 'timeout', 'rate_limited')) IS NOT TRUE THEN
        PERFORM vibe._invalid_argument('status', status, 'Use success, failed, timeout or rate_limited.');
    ELSIF duration_ms < 0 THEN
        PERFORM vibe._invalid_argument('duration_ms', duration_ms::text, 'Use 0 or more milliseconds, or NULL.');
    ELSIF NOT (cost_usd >= 0 AND cost_usd < 'Infinity'::numeric) THEN
        PERFORM vibe._invalid_argument('cost_usd', cost_usd::text, 'Use 0 or more, or NULL for the usual cost.');
    ELSIF retry_after IS NOT NULL AND (status <> 'rate_limited' OR NOT retry_after BETWEEN interval '0' AND interval '30 days') THEN
        PERFORM vibe._invalid_argument('retry_after', retry_after::text, 'Use 0 to 30 days, with status rate_limited only.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_call(text, text, integer, interval, numeric) IS 'Raises VB030 or VB070 for a call that cannot be logged.';

-- Tables written: service_calls.
CREATE FUNCTION vibe.log_service_call(
    service text, status text, duration_ms integer DEFAULT NULL, error text DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    agent_name text DEFAULT NULL, run_id bigint DEFAULT NULL, lock_token text DEFAULT NULL, retry_after interval DEFAULT NULL,
    cost_usd numeric DEFAULT NULL
)
    RETURNS TABLE (call_id bigint, health text, open_until timestamptz)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    run vibe.runs;
    new_id bigint;
BEGIN
    IF log_service_call.lock_token IS NOT NULL THEN
        run := vibe._calling_run(log_service_call.run_id, log_service_call.lock_token);
    ELSE
        PERFORM vibe._require_operator('lock_token');
        SELECT * INTO run FROM vibe.runs r WHERE r.id = log_service_call.run_id;
        IF NOT FOUND AND log_service_call.run_id IS NOT NULL THEN
            PERFORM vibe._run_not_found(log_service_call.run_id);
        ELSIF log_service_call.campaign_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = log_service_call.campaign_id) THEN
            PERFORM vibe._campaign_not_found(log_service_call.campaign_id);
        END IF;
        run.campaign_id := coalesce(log_service_call.campaign_id, run.campaign_id);
        run.agent_name := coalesce(log_service_call.agent_name, run.agent_name);
    END IF;
    PERFORM vibe._check_call(log_service_call.service, log_service_call.status, log_service_call.duration_ms,
        log_service_call.retry_after, log_service_call.cost_usd);
    INSERT INTO vibe.service_calls AS c (at, service_name, status, duration_ms, cost_usd, error, retry_at, campaign_id, task_id, run_id, agent_name)
    SELECT at, s.name, log_service_call.status, log_service_call.duration_ms, coalesce(log_service_call.cost_usd, s.cost_per_call_usd),
           left(log_service_call.error, 4000), at + log_service_call.retry_after, nullif(run.campaign_id, 0), run.task_id, run.id,
           left(run.agent_name, 200)
      FROM vibe.services s WHERE s.name = log_service_call.service
    RETURNING c.id INTO STRICT new_id;
    RETURN QUERY SELECT new_id, h.health, h.open_until FROM vibe._service_health(log_service_call.service) h;
END
$$;
COMMENT ON FUNCTION vibe.log_service_call(text, text, integer, text, bigint, text, bigint, text, interval, numeric) IS 'Notes how a call of a service went: success, failed, timeout or rate_limited (with retry_after, until when it is not to be called). Five failures in a row open its circuit for 10 minutes: it comes last in its chain; a success closes it. An agent gives run_id and lock_token, and the line carries its run, campaign and name; an operator may leave the token out. cost_usd defaults to the service''s. Locks nothing. Raises VB002, VB006, VB011, VB022, VB030, VB060 (an agent without its token), VB070 (service).';

CREATE TYPE vibe.service_call_info AS (
    id bigint, at timestamptz, service text, status text, duration_ms integer, cost_usd numeric, error text, retry_at timestamptz,
    campaign_id bigint, task_id bigint, run_id bigint, agent_name text);
COMMENT ON TYPE vibe.service_call_info IS 'A call of a service, as functions return it.';

CREATE FUNCTION vibe.list_service_calls(
    service text DEFAULT NULL, campaign_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.service_call_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT c.id, c.at, c.service_name, c.status, c.duration_ms, c.cost_usd, c.error, c.retry_at, c.campaign_id, c.task_id, c.run_id, c.agent_name
      FROM vibe.service_calls c
     WHERE (list_service_calls.service IS NULL OR c.service_name = list_service_calls.service)
       AND (list_service_calls.campaign_id IS NULL OR c.campaign_id = list_service_calls.campaign_id)
       AND (list_service_calls.after_id IS NULL OR c.id < list_service_calls.after_id)
     ORDER BY c.id DESC
     LIMIT greatest(coalesce(list_service_calls.max_rows, 100), 0);
END;
COMMENT ON FUNCTION vibe.list_service_calls(text, bigint, integer, bigint) IS 'Calls of services, newest first, of one service or campaign or of all; the next page is after the last id of this one.';

-- Tables written: service_calls.
CREATE FUNCTION vibe._prune_service_calls(at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.service_calls c
     WHERE c.id IN (SELECT o.id FROM vibe.service_calls o
                     WHERE o.at < _prune_service_calls.at - (vibe._outside_limits()).service_calls_kept_for
                     ORDER BY o.at LIMIT 10000 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_service_calls(timestamptz) IS 'Deletes calls that are older than their retention, 10000 at most.';
-- Verbs about notifications: tell something, read the inbox, say what is wanted where.

CREATE TYPE vibe.notification_info AS (
    id bigint, at timestamptz, kind text, recipient text, project_id bigint, campaign_id bigint, task_id bigint, run_id bigint,
    message text, detail jsonb, read_at timestamptz);
COMMENT ON TYPE vibe.notification_info IS 'A notification, as functions return it.';

CREATE TYPE vibe.notification_rule_info AS (
    kind text, channel text, enabled boolean, collect_for interval, is_default boolean, description text);
COMMENT ON TYPE vibe.notification_rule_info IS 'Whether a kind of notification goes to a channel, as functions return it.';

CREATE FUNCTION vibe._check_kind(kind text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.notification_kinds k WHERE k.kind = _check_kind.kind) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB072',
            MESSAGE = 'notification kind not found',
            DETAIL = format('There is no kind %s.', coalesce(quote_literal(left(kind, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.list_notification_rules() shows them; vibe.register_notification_kind(kind, description) adds one.';
    END IF;
    RETURN kind;
END
$$;
COMMENT ON FUNCTION vibe._check_kind(text) IS 'Raises VB072 for a kind that is not there.';

-- Tables written: notifications, deliveries. What it is about is filled in upwards: a task's campaign, a
-- campaign's project.
CREATE FUNCTION vibe.notify(
    kind text, message text, recipient text DEFAULT NULL, task_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    project_id bigint DEFAULT NULL, detail jsonb DEFAULT NULL, dedup_key text DEFAULT NULL
)
    RETURNS SETOF vibe.notification_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign bigint := notify.campaign_id;
    project bigint := notify.project_id;
    new_id bigint;
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_kind(notify.kind);
    IF btrim(coalesce(notify.message, '')) = '' THEN
        PERFORM vibe._invalid_argument('message', notify.message, 'Say what is to be told.');
    ELSIF length(notify.recipient) > 200 THEN
        PERFORM vibe._invalid_argument('recipient', notify.recipient, 'Use at most 200 characters, or NULL for everyone.');
    ELSIF length(notify.dedup_key) > 200 THEN
        PERFORM vibe._invalid_argument('dedup_key', notify.dedup_key, 'Use at most 200 characters, or NULL.');
    END IF;
    IF notify.task_id IS NOT NULL THEN
        SELECT t.campaign_id, t.project_id INTO campaign, project FROM vibe.tasks t WHERE t.id = notify.task_id;
        IF NOT FOUND THEN
            PERFORM vibe._task_not_found(notify.task_id);
        END IF;
    ELSIF campaign IS NOT NULL THEN
        SELECT c.project_id INTO project FROM vibe.campaigns c WHERE c.id = campaign;
        IF NOT FOUND THEN
            PERFORM vibe._campaign_not_found(campaign);
        END IF;
    ELSIF project IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.projects p WHERE p.id = project) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB001',
            MESSAGE = 'project not found',
            DETAIL = format('There is no project with id %s.', project),
            HINT = 'SELECT * FROM vibe.projects lists them.';
    END IF;
    new_id := vibe._notify(notify.kind, notify.message, notify.detail, project, campaign, notify.task_id, NULL,
        notify.recipient, notify.dedup_key);
    RETURN QUERY
        SELECT n.id, n.at, n.kind, n.recipient, n.project_id, n.campaign_id, n.task_id, n.run_id, n.message, n.detail, n.read_at
          FROM vibe.notifications n WHERE n.id = new_id;
END
$$;
COMMENT ON FUNCTION vibe.notify(text, text, text, bigint, bigint, bigint, jsonb, text) IS 'Tells something to a recipient, or everyone (NULL): in the inbox and to every channel whose rule wants this kind, once the transaction commits. A message of more than 4000 characters is cut. No row comes back where nobody wants the kind, or where dedup_key was told in the last ten minutes. Raises VB001, VB002, VB003, VB022, VB030, VB072 (kind).';

CREATE FUNCTION vibe.list_notifications(
    recipient text DEFAULT NULL, unread_only boolean DEFAULT false, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.notification_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT n.id, n.at, n.kind, n.recipient, n.project_id, n.campaign_id, n.task_id, n.run_id, n.message, n.detail, n.read_at
      FROM vibe.notifications n
     WHERE n.in_app
       AND (list_notifications.recipient IS NULL OR n.recipient IS NULL OR n.recipient = list_notifications.recipient)
       AND (list_notifications.unread_only IS NOT TRUE OR n.read_at IS NULL)
       AND (list_notifications.after_id IS NULL OR n.id < list_notifications.after_id)
     ORDER BY n.id DESC
     LIMIT greatest(coalesce(list_notifications.max_rows, 100), 0);
END;
COMMENT ON FUNCTION vibe.list_notifications(text, boolean, integer, bigint) IS 'The inbox, newest first: what is for a recipient or for everyone (without a recipient: all of it). The next page is after the last id of this one. Messages are plain text that may hold what agents wrote: escape them.';

-- Tables written: notifications. Locks: those notifications, ids ascending.
CREATE FUNCTION vibe.mark_notifications_read(ids bigint[] DEFAULT NULL, recipient text DEFAULT NULL)
    RETURNS TABLE (marked bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- not "at": that is a column
    moment timestamptz := vibe._begin_verb();
    chosen bigint[];
BEGIN
    IF mark_notifications_read.ids IS NULL AND mark_notifications_read.recipient IS NULL THEN
        PERFORM vibe._invalid_argument('ids', NULL, 'Give the ids, or the recipient whose whole inbox was read.');
    END IF;
    chosen := ARRAY(
        SELECT n.id FROM vibe.notifications n
         WHERE n.read_at IS NULL AND n.in_app
           AND (mark_notifications_read.ids IS NULL OR n.id = ANY (mark_notifications_read.ids))
           AND (mark_notifications_read.recipient IS NULL OR n.recipient IS NULL OR n.recipient = mark_notifications_read.recipient)
         ORDER BY n.id FOR NO KEY UPDATE);
    UPDATE vibe.notifications n SET read_at = moment WHERE n.id = ANY (chosen);
    RETURN QUERY SELECT cardinality(chosen)::bigint;
END
$$;
COMMENT ON FUNCTION vibe.mark_notifications_read(bigint[], text) IS 'Marks notifications as read, by id or as a recipient''s whole inbox, and counts those that were new. One for everyone is read by whoever reads it first. Raises VB022, VB030.';

-- Tables written: notification_kinds.
CREATE FUNCTION vibe.register_notification_kind(kind text, description text, in_app boolean DEFAULT true)
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF register_notification_kind.kind IS NULL OR register_notification_kind.kind !~ '^[a-z0-9][a-z0-9_]{0,62}$' THEN
        PERFORM vibe._invalid_argument('kind', register_notification_kind.kind, 'Use 1 to 63 lower-case letters, digits and "_".');
    ELSIF btrim(coalesce(register_notification_kind.description, '')) = '' THEN
        PERFORM vibe._invalid_argument('description', register_notification_kind.description, 'Say when it is told.');
    ELSIF register_notification_kind.in_app IS NULL THEN
        PERFORM vibe._invalid_argument('in_app', NULL, 'Use true or false.');
    END IF;
    INSERT INTO vibe.notification_kinds AS k (kind, description, in_app)
    VALUES (register_notification_kind.kind, register_notification_kind.description, register_notification_kind.in_app)
    ON CONFLICT ON CONSTRAINT notification_kinds_pkey DO UPDATE SET description = excluded.description, in_app = excluded.in_app
    WHERE NOT k.is_preset;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a notification kind with this name came with the extension',
            DETAIL = format('The kind is "%s".', register_notification_kind.kind),
            HINT = format('SELECT * FROM vibe.set_notification_rule(%L, ''in_app'', true or false) says whether the inbox shows it.', register_notification_kind.kind);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_notification_rules() l WHERE l.kind = register_notification_kind.kind;
END
$$;
COMMENT ON FUNCTION vibe.register_notification_kind(text, text, boolean) IS 'Adds a kind of notification, or changes one of yours. One named like a kind of vibe.activities (campaign_paused, revision_requested, …) is told whenever that happens. Raises VB022, VB030, VB032 (it came with the extension).';

-- Tables written: notification_rules.
CREATE FUNCTION vibe.set_notification_rule(kind text, channel text, enabled boolean, collect_for interval DEFAULT NULL)
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_kind(set_notification_rule.kind);
    IF set_notification_rule.channel IS NULL OR set_notification_rule.channel !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' THEN
        PERFORM vibe._invalid_argument('channel', set_notification_rule.channel, 'Use in_app, or the name of a notifier.');
    ELSIF set_notification_rule.enabled IS NULL THEN
        PERFORM vibe._invalid_argument('enabled', NULL, 'Use true or false.');
    ELSIF NOT set_notification_rule.collect_for BETWEEN interval '0' AND interval '1 day' THEN
        PERFORM vibe._invalid_argument('collect_for', set_notification_rule.collect_for::text, 'Use 0 to 1 day.');
    END IF;
    INSERT INTO vibe.notification_rules AS r (kind, channel, enabled, collect_for)
    VALUES (set_notification_rule.kind, set_notification_rule.channel, set_notification_rule.enabled,
            coalesce(set_notification_rule.collect_for, '0'))
    ON CONFLICT ON CONSTRAINT notification_rules_pkey DO UPDATE SET
        enabled = excluded.enabled, collect_for = coalesce(set_notification_rule.collect_for, r.collect_for);
    -- Only at home anything is sent.
    PERFORM vibe._note_home() WHERE set_notification_rule.enabled AND set_notification_rule.channel <> 'in_app';
    RETURN QUERY
        SELECT l.* FROM vibe.list_notification_rules() l
         WHERE l.kind = set_notification_rule.kind AND l.channel = set_notification_rule.channel;
END
$$;
COMMENT ON FUNCTION vibe.set_notification_rule(text, text, boolean, interval) IS 'Whether a kind of notification goes to a channel from now on: in_app (the inbox), or a notifier such as telegram. collect_for lets a message wait for others of its kind and campaign. Raises VB022, VB030, VB072 (kind).';

CREATE FUNCTION vibe.list_notification_rules()
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT k.kind, 'in_app', k.in_app, interval '0', true, k.description
      FROM vibe.notification_kinds k
     WHERE NOT EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel = 'in_app')
    UNION ALL
    SELECT k.kind, r.channel, r.enabled, r.collect_for, false, k.description
      FROM vibe.notification_rules r
      JOIN vibe.notification_kinds k ON k.kind = r.kind
     ORDER BY 1, 2;
END;
COMMENT ON FUNCTION vibe.list_notification_rules() IS 'Every kind of notification with the channels it goes to, or would go to (enabled false); is_default: nobody set a rule for it yet.';
-- What a person sees. Reads only: everything here works on a standby.

CREATE VIEW vibe.now AS
    SELECT r.id AS run_id, r.agent_name AS agent, t.title AS task, r.task_id, coalesce(s.label, r.kind) AS step, r.branch, r.attempt,
           CASE WHEN r.closed_at IS NOT NULL THEN 'stopping' WHEN r.started_at IS NULL THEN 'launching' ELSE 'running' END AS state,
           r.started_by, r.claimed_at AS since, r.pid
      FROM vibe.runs r
      LEFT JOIN vibe.tasks t ON t.id = r.task_id
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = r.branch AND s.step = r.step
     WHERE r.ended_at IS NULL
     ORDER BY r.claimed_at, r.id;
COMMENT ON VIEW vibe.now IS 'Who is doing what at this moment: launching, running, or stopping. A heartbeat or a notifier has no task; its kind stands for the step.';

CREATE VIEW vibe.queue AS
    SELECT q.task_id, q.task, q.branch, q.step, q.agent, q.priority, q.waits_for, q.since, q.until
      FROM (SELECT w.task_id, t.title AS task, w.branch, s.label AS step, w.agent_name AS agent, t.priority,
                   CASE WHEN w.state = 'waiting' THEN w.waiting_for
                        WHEN c.status NOT IN ('active', 'in_revision') THEN 'campaign ' || c.status
                        ELSE w.state END AS waits_for,
                   w.since, w.ready_at AS until, w.priority AS rank
              FROM vibe.work w
              JOIN vibe.tasks t ON t.id = w.task_id
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = w.branch AND s.step = w.step
              LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
             WHERE w.state <> 'held'
            UNION ALL
            SELECT NULL, NULL, '', c.kind, c.agent_name, NULL,
                   CASE WHEN a.paused_at IS NOT NULL THEN 'agent paused' ELSE 'ready' END, c.ready_at, NULL, -1
              FROM vibe.chores c
              JOIN vibe.current_agents a ON a.name = c.agent_name
             WHERE c.run_id IS NULL) q
     ORDER BY q.rank, q.since, q.task_id;
COMMENT ON VIEW vibe.queue IS 'What is ready or waiting, and for what; heartbeats, which have no task, go first.';

-- STABLE although the clock goes on: so every count is of one snapshot.
CREATE FUNCTION vibe.campaign_progress(id bigint)
    RETURNS TABLE (campaign_id bigint, status text, total bigint, done bigint, cancelled bigint, running bigint, ready bigint,
                   waiting bigint, blocked bigint, revisions bigint, steps_done bigint, steps_total bigint,
                   cost_usd numeric, tasks_per_minute numeric, seconds_left numeric)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    elapsed numeric;
    steps_each bigint;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_progress.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_progress.id);
    END IF;
    campaign_id := campaign.id;
    status := campaign.status;
    SELECT count(*), count(*) FILTER (WHERE t.status = 'completed'), count(*) FILTER (WHERE t.status = 'cancelled'),
           count(*) FILTER (WHERE t.status = 'blocked'), coalesce(sum(t.revision_count), 0)
      INTO total, done, cancelled, blocked, revisions
      FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    SELECT count(*) FILTER (WHERE w.state = 'held'), count(*) FILTER (WHERE w.state = 'ready'),
           count(*) FILTER (WHERE w.state = 'waiting')
      INTO running, ready, waiting
      FROM vibe.work w WHERE w.campaign_id = campaign.id;
    steps_each := (SELECT count(*) FROM vibe.pipeline_steps s
        WHERE s.pipeline_version_id = campaign.pipeline_version_id AND s.agent_name IS NOT NULL
          AND (s.branch = '' OR vibe._wants(campaign.deliverables, s.deliverable)));
    steps_total := (total - cancelled) * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status <> 'cancelled');
    -- Runs of completed tasks may be pruned.
    steps_done := done * steps_each
        - (SELECT coalesce(sum(cardinality(t.cancelled_branches)), 0) FROM vibe.tasks t
            WHERE t.campaign_id = campaign.id AND t.status = 'completed')
        + (SELECT count(*) FROM vibe.tasks t JOIN vibe.runs r ON r.task_id = t.id
            WHERE t.campaign_id = campaign.id AND t.ended_at IS NULL AND r.outcome = 'done' AND NOT r.superseded);
    cost_usd := (SELECT coalesce(sum(u.cost_usd), 0) FROM vibe.usage u WHERE u.campaign_id = campaign.id);
    elapsed := extract(epoch FROM coalesce(campaign.ended_at, vibe.clock()) - campaign.activated_at);
    tasks_per_minute := round(60 * done / nullif(elapsed, 0), 2);
    seconds_left := CASE WHEN campaign.ended_at IS NOT NULL THEN 0
        ELSE round(elapsed * (steps_total - steps_done) / nullif(steps_done, 0), 1) END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.campaign_progress(bigint) IS 'How far a campaign is: tasks by state, steps done of all, cost in US dollars, finished tasks per minute, and seconds left at the pace so far (NULL while unknown). Raises VB002.';
-- Why a task stands still. One function per kind of reason, asked in the order in which they hold a task up;
-- the first that has an answer gives it.

CREATE TYPE vibe.reason_info AS (code text, reason text, since timestamptz, until timestamptz, next_call text);
COMMENT ON TYPE vibe.reason_info IS 'Why a task stands where it stands: a code for programs, a sentence for people, since when, until when (NULL where no clock ends it), and the statement that would change it.';

CREATE FUNCTION vibe._why_not_open(task vibe.tasks)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    why vibe.reason_info;
    campaign vibe.campaigns;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = task.campaign_id;
    IF task.ended_at IS NOT NULL THEN
        why := (task.status, format('It was %s.', task.status), task.ended_at, NULL,
            CASE task.status WHEN 'completed' THEN format('SELECT * FROM vibe.request_revision(task_id => %s, notes => …);', task.id) END);
    ELSIF campaign.status NOT IN ('active', 'in_revision') THEN
        why := ('campaign_' || campaign.status,
            format('Its campaign "%s" is %s.', campaign.name, CASE campaign.status WHEN 'planning' THEN 'not activated yet' ELSE campaign.status END),
            campaign.updated_at, NULL,
            CASE campaign.status WHEN 'planning' THEN format('SELECT * FROM vibe.activate_campaign(id => %s);', campaign.id)
                WHEN 'paused' THEN format('SELECT * FROM vibe.resume_campaign(id => %s);', campaign.id) END);
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_not_open(vibe.tasks) IS 'The task has ended, or its campaign is not at work.';

CREATE FUNCTION vibe._why_waiting(task vibe.tasks, item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    latest vibe.runs;
    argument text := CASE item.branch WHEN '' THEN '' ELSE format(', branch => %L', item.branch) END;
BEGIN
    SELECT r.* INTO latest FROM vibe.runs r
     WHERE r.task_id = item.task_id AND r.branch = item.branch AND r.step = item.step AND r.closed_at IS NOT NULL
     ORDER BY r.id DESC LIMIT 1;
    RETURN CASE item.waiting_for
        WHEN 'person' THEN ('blocked'::text, format('It needs a person after %s attempts: %s.', item.attempts,
                coalesce((SELECT o.description FROM vibe.outcomes o WHERE o.outcome = latest.outcome) || coalesce(': ' || left(latest.error, 500), ''),
                         'nothing was tried yet')),
            item.since, NULL::timestamptz, CASE
                WHEN latest.outcome = 'budget' AND (SELECT c.budget_usd IS NOT NULL FROM vibe.campaigns c WHERE c.id = task.campaign_id)
                    THEN format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', task.campaign_id)
                ELSE format('SELECT * FROM vibe.retry_step(task_id => %s%s);', task.id, argument) END)::vibe.reason_info
        WHEN 'back_off' THEN ('back_off'::text, format('It waits before attempt %s: %s.', item.attempts + 1, coalesce(latest.outcome || coalesce(': ' || left(latest.error, 500), ''), 'the last one failed')),
            item.since, item.ready_at, format('SELECT * FROM vibe.retry_step(task_id => %s%s);', task.id, argument))::vibe.reason_info
        WHEN 'approval' THEN ('approval'::text, 'Its gate waits for somebody''s approval.', item.since, NULL::timestamptz,
            format('SELECT * FROM vibe.approve_step(task_id => %s, run_id => %s%s);', task.id, coalesce(latest.id::text, 'NULL'), argument))::vibe.reason_info
        WHEN 'branches' THEN ('branches'::text, format('Step %s waits for the branches %s.', item.step,
                (SELECT string_agg(w.branch, ', ' ORDER BY w.branch) FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> '')),
            item.since, NULL::timestamptz,
            (SELECT format('SELECT * FROM vibe.why(task_id => %s, branch => %L);', task.id, min(w.branch)) FROM vibe.work w WHERE w.task_id = task.id AND w.branch <> ''))::vibe.reason_info
    END;
END
$$;
COMMENT ON FUNCTION vibe._why_waiting(vibe.tasks, vibe.work) IS 'The step waits: for a person, a back-off, an approval, or branches.';

CREATE FUNCTION vibe._why_held(task vibe.tasks, item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    run vibe.runs;
BEGIN
    SELECT r.* INTO run FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = item.branch AND r.ended_at IS NULL;
    IF item.state = 'held' AND run.started_by = 'hand' THEN
        why := ('locked', format('Agent "%s" holds it, by hand or from elsewhere (run %s).', run.agent_name, run.id), run.claimed_at,
            run.renewed_at + vibe._setting('stale_lock_after'),
            format('SELECT * FROM vibe.release_lock(task_id => %s, agent_name => %L, lock_token => NULL, branch => %L);', task.id, run.agent_name, item.branch));
    ELSIF item.state = 'held' THEN
        why := ('running', format('Agent "%s" is at it (run %s).', run.agent_name, run.id), run.claimed_at, NULL,
            format('SELECT * FROM vibe.cancel_run(run_id => %s);', run.id));
    ELSIF run.id IS NOT NULL THEN
        why := ('previous_process_ending', format('The process of run %s still works in its workspace and is being ended.', run.id), run.closed_at, NULL,
            format('SELECT * FROM vibe.now WHERE run_id = %s;', run.id));
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_held(vibe.tasks, vibe.work) IS 'Somebody does the step now, or the process of the run before it still lives.';

CREATE FUNCTION vibe._why_paused(item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    paused_since timestamptz := (SELECT a.paused_at FROM vibe.current_agents a WHERE a.name = item.agent_name);
BEGIN
    IF paused_since IS NOT NULL THEN
        why := ('agent_paused', format('Agent "%s" is paused.', item.agent_name), paused_since, NULL,
            format('SELECT * FROM vibe.set_agent_paused(name => %L, paused => false);', item.agent_name));
    ELSIF provider.paused_until > at THEN
        why := ('provider_paused', format('Provider "%s" is paused: %s.', provider.name, provider.pause_reason), provider.paused_at,
            nullif(provider.paused_until, 'infinity'), format('SELECT * FROM vibe.resume_provider(name => %L);', provider.name));
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_paused(vibe.work, vibe.providers, timestamptz) IS 'The step''s agent, or its runner''s provider, is paused.';

-- The same counts as in the claim.
CREATE FUNCTION vibe._why_no_slot(item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    live bigint := (SELECT count(*) FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
    most integer := current_setting('vibe_orchestrator.max_runs')::integer;
    limits text[] := vibe._limits_of(ARRAY[(item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, provider.name, NULL)::vibe._candidate]);
    full_one text := (SELECT r.name FROM vibe._room(ARRAY(SELECT l FROM unnest(limits) l WHERE l NOT LIKE E'%\\_budget %'), at) r
                       WHERE r.free <= 0 ORDER BY r.name LIMIT 1);
    kind text := split_part(full_one, ' ', 1);
BEGIN
    IF full_one IS NOT NULL THEN
        why := ('slot_of_' || kind, format('As many runs as the %s "%s" may have are going on.', kind, substr(full_one, strpos(full_one, ' ') + 1)), item.since, NULL,
            CASE kind WHEN 'campaign' THEN format('SELECT * FROM vibe.update_campaign(id => %s, changes => ''{"max_parallel": …}'');', item.campaign_id)
                WHEN 'agent' THEN format('SELECT * FROM vibe.register_agent(name => %L, max_parallel => …);', item.agent_name)
                ELSE format('SELECT * FROM vibe.set_provider_limit(name => %L, max_parallel => …);', provider.name) END);
    ELSIF live >= most THEN
        why := ('slot_of_worker', format('%s of %s runs are going on in this database.', live, most), item.since, NULL,
            'ALTER SYSTEM SET vibe_orchestrator.max_runs = …; SELECT pg_reload_conf();');
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_no_slot(vibe.work, vibe.providers, timestamptz) IS 'No slot is free: of the campaign, the agent, the provider, or the database.';

-- The same sums as in the claim.
CREATE FUNCTION vibe._why_over_budget(task vibe.tasks, item vibe.work, provider vibe.providers, at timestamptz)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    campaign vibe.campaigns;
    ceiling vibe._ceiling;
    limits text[] := ARRAY(
        SELECT l FROM unnest(vibe._limits_of(ARRAY[(item.task_id, item.branch, item.campaign_id, item.agent_name, NULL, provider.name, NULL)::vibe._candidate])) l
         WHERE l LIKE E'%\\_budget %');
    reserve_usd numeric;
BEGIN
    IF limits = '{}' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = item.campaign_id;
    reserve_usd := vibe._reserve(campaign.run_budget_usd, vibe._run_budget(item.agent_name), true, campaign.budget_usd, campaign.task_budget_usd);
    SELECT c.* INTO ceiling FROM vibe._ceilings(limits, at) c
     WHERE c.amount_usd - c.spent_usd - c.reserved_usd < reserve_usd
     ORDER BY c.amount_usd - c.spent_usd - c.reserved_usd, c.name LIMIT 1;
    IF FOUND THEN
        why := ('budget', format('The ceiling %s is %s USD: %s are spent, %s reserved by runs that go on, and a run reserves %s.',
                vibe._ceiling_words(ceiling.name), ceiling.amount_usd, ceiling.spent_usd, ceiling.reserved_usd, reserve_usd),
            coalesce((SELECT x.at FROM vibe.budget_crossings x WHERE x.name = ceiling.name AND x.amount_usd = ceiling.amount_usd), item.since),
            CASE WHEN ceiling.name LIKE 'daily%' THEN (vibe._day(at) + 1)::timestamp AT TIME ZONE 'UTC' END,
            CASE split_part(ceiling.name, ' ', 1)
                WHEN 'campaign_budget' THEN format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', item.campaign_id)
                WHEN 'task_budget' THEN format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', item.task_id)
                ELSE format('SELECT * FROM vibe.set_daily_budget(usd => …%s);', CASE split_part(ceiling.name, ' ', 2)
                    WHEN 'project' THEN format(', project_id => %s', task.project_id)
                    WHEN 'agent' THEN format(', agent_name => %L', item.agent_name)
                    WHEN 'provider' THEN format(', provider => %L', provider.name) ELSE '' END) END);
    END IF;
    RETURN why;
END
$$;
COMMENT ON FUNCTION vibe._why_over_budget(vibe.tasks, vibe.work, vibe.providers, timestamptz) IS 'A spending ceiling has no room for one more run.';

CREATE FUNCTION vibe._why_no_dispatcher()
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    here record;
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity <> vibe._home_identity()) THEN
        RETURN ('take_over_needed', 'This is a copy: the data''s home is another server, database or machine.', (SELECT h.since FROM vibe.home h), NULL,
            'SELECT * FROM vibe.take_over();')::vibe.reason_info;
    END IF;
    IF vibe._is_draining() THEN
        RETURN ('draining', 'Nothing is claimed: drain() is on.', (SELECT h.draining_since FROM vibe.home h), NULL,
            'SELECT * FROM vibe.drain(false);')::vibe.reason_info;
    END IF;
    SELECT s.state, s.problem, s.started_at INTO here FROM vibe.dispatcher_status() s WHERE s.database = current_database();
    IF NOT FOUND THEN
        why := ('no_dispatcher', 'No dispatcher serves this database.', NULL, NULL,
            format('Add %s to vibe_orchestrator.databases in the configuration file; SELECT pg_reload_conf();', current_database()));
    ELSIF here.state <> 'running' THEN
        why := ('no_dispatcher', format('The dispatcher of this database is %s%s.', here.state, coalesce(': ' || here.problem, '')), here.started_at, NULL,
            'SELECT * FROM vibe.dispatcher_status();');
    END IF;
    RETURN why;
EXCEPTION WHEN SQLSTATE 'VB050' THEN
    RETURN ('library_not_preloaded', 'The server runs without the library, so nothing is started.', NULL, NULL,
        'Set shared_preload_libraries = ''vibe_orchestrator'' in the configuration file and restart the server.')::vibe.reason_info;
END
$$;
COMMENT ON FUNCTION vibe._why_no_dispatcher() IS 'Nobody starts anything: a copy, no dispatcher, one that is kept from working, or a server without the library.';

CREATE FUNCTION vibe._why_no_runner(item vibe.work)
    RETURNS vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    why vibe.reason_info;
    wanted text := (SELECT a.runner FROM vibe.current_agents a WHERE a.name = item.agent_name);
    runner record;
    live bigint;
BEGIN
    SELECT r.* INTO runner FROM vibe.runners() r WHERE r.name = wanted;
    SELECT count(*) INTO live FROM vibe.runs r WHERE r.ended_at IS NULL AND r.runner = wanted;
    IF runner.name IS NULL THEN
        why := ('runner_unknown', format('Runner "%s" of agent "%s" is not in the runner file.', wanted, item.agent_name), item.since, NULL,
            'SELECT * FROM vibe.runners();');
    ELSIF runner.problem IS NOT NULL OR NOT runner.executable THEN
        why := ('runner_unusable', format('Runner "%s" cannot be used: %s.', wanted, coalesce(runner.problem, 'its program is not an executable file')), item.since, NULL,
            'SELECT * FROM vibe.runners();');
    ELSIF live >= runner.max_parallel THEN
        why := ('slot_of_runner', format('%s of %s runs of runner "%s" are going on.', live, runner.max_parallel, wanted), item.since, NULL,
            'Raise max_parallel of the runner in the runner file; SELECT pg_reload_conf();');
    END IF;
    RETURN why;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    RETURN ('runner_unusable', 'The runner file cannot be used.', NULL, NULL, 'SELECT * FROM vibe.runners();')::vibe.reason_info;
END
$$;
COMMENT ON FUNCTION vibe._why_no_runner(vibe.work) IS 'The agent''s runner is unknown, cannot be used, or has no free slot.';

CREATE FUNCTION vibe._provider_of(item vibe.work)
    RETURNS vibe.providers
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    provider vibe.providers;
    known vibe.providers;
BEGIN
    SELECT r.provider INTO provider.name
      FROM vibe.current_agents a JOIN vibe.runners() r ON r.name = a.runner
     WHERE a.name = item.agent_name;
    -- One without a row has neither limit nor pause, but it has a name.
    SELECT p.* INTO known FROM vibe.providers p WHERE p.name = provider.name;
    RETURN CASE WHEN FOUND THEN known ELSE provider END;
EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
    RETURN provider;
END
$$;
COMMENT ON FUNCTION vibe._provider_of(vibe.work) IS 'The provider of the runner of a step''s agent; all NULL where it has none.';

CREATE FUNCTION vibe.why(task_id bigint, branch text DEFAULT '')
    RETURNS SETOF vibe.reason_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    item vibe.work;
    provider vibe.providers;
    at timestamptz;
    found_reason vibe.reason_info;
BEGIN
    SELECT t.* INTO task FROM vibe.tasks t WHERE t.id = why.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(why.task_id);
    END IF;
    SELECT c.now INTO at FROM vibe.clock() c(now);
    SELECT w.* INTO item FROM vibe.work w WHERE w.task_id = task.id
     ORDER BY w.branch = coalesce(why.branch, '') DESC, w.branch LIMIT 1;
    IF why.branch = ANY (task.cancelled_branches) THEN
        found_reason := ('branch_cancelled', 'This branch was cancelled.', NULL, NULL, format('SELECT * FROM vibe.retry_step(task_id => %s, branch => %L);', task.id, why.branch));
    ELSIF item.task_id IS NULL THEN
        found_reason := coalesce(vibe._why_not_open(task),
            ('orphaned', 'It is open and has no work; the next sweep gives its step back.', task.updated_at, NULL, 'SELECT * FROM vibe.sweep();')::vibe.reason_info);
    ELSE
        -- Each is asked only if those before had nothing to say.
        found_reason := coalesce(vibe._why_not_open(task), vibe._why_waiting(task, item), vibe._why_held(task, item));
        IF found_reason IS NULL THEN
            provider := vibe._provider_of(item);
            found_reason := coalesce(vibe._why_paused(item, provider, at), vibe._why_over_budget(task, item, provider, at), vibe._why_no_slot(item, provider, at),
                vibe._why_no_dispatcher(), vibe._why_no_runner(item),
                ('ready', 'It is ready and starts with the dispatcher''s next turn.', item.since, NULL, NULL)::vibe.reason_info);
        END IF;
    END IF;
    RETURN NEXT found_reason;
END
$$;
COMMENT ON FUNCTION vibe.why(bigint, text) IS 'Why a task stands where it stands, in one row: code (completed, cancelled, branch_cancelled, campaign_planning, campaign_paused, blocked, back_off, approval, branches, locked, running, previous_process_ending, agent_paused, provider_paused, budget, slot_of_campaign, slot_of_agent, slot_of_provider, slot_of_worker, slot_of_runner, take_over_needed, draining, no_dispatcher, library_not_preloaded, runner_unknown, runner_unusable, orphaned, ready), a sentence, since and until when, and the next call. branch names another line than the main one; where the main line is done it is the first branch that is not. Raises VB003.';
-- What was used and what it cost: totals and what is not part of them yet, so that no run is read, and what was
-- pruned is still in the sums. A run counts when it has ended.

CREATE VIEW vibe.usage AS
    SELECT t.campaign_id, t.project_id, t.agent_name, t.provider, t.model, t.branch, t.step, t.day, t.runs, t.unknown_cost_runs,
           t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens, t.cost_usd, t.counted_usd
      FROM vibe.usage_totals t
     UNION ALL
    SELECT e.campaign_id, e.project_id, e.agent_name, e.provider, e.model, e.branch, e.step, e.day, 1, e.unknown_cost_runs,
           e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens, e.cost_usd, e.counted_usd
      FROM vibe.usage_entries e;
COMMENT ON VIEW vibe.usage IS 'What ended runs used, to be summed up: several rows may have the same campaign, agent, model, step and day.';

CREATE VIEW vibe.cost_by_campaign AS
    SELECT u.campaign_id, c.name AS campaign, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
      LEFT JOIN vibe.campaigns c ON c.id = u.campaign_id
     GROUP BY u.campaign_id, c.name
     ORDER BY u.campaign_id;
COMMENT ON VIEW vibe.cost_by_campaign IS 'Runs, tokens and known cost in US dollars by campaign (id 0: tasks without one); unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_agent AS
    SELECT u.agent_name, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.agent_name
     ORDER BY u.agent_name;
COMMENT ON VIEW vibe.cost_by_agent IS 'Runs, tokens and known cost in US dollars by agent; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_model AS
    SELECT u.provider, u.model, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.provider, u.model
     ORDER BY u.provider, u.model;
COMMENT ON VIEW vibe.cost_by_model IS 'Runs, tokens and known cost in US dollars by provider and model, empty where unknown; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_step AS
    SELECT u.campaign_id, u.branch, u.step, s.label, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
      LEFT JOIN vibe.campaigns c ON c.id = u.campaign_id
      LEFT JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id AND s.branch = u.branch AND s.step = u.step
     GROUP BY u.campaign_id, u.branch, u.step, s.label
     ORDER BY u.campaign_id, u.branch, u.step;
COMMENT ON VIEW vibe.cost_by_step IS 'Runs, tokens and known cost in US dollars by campaign and step; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';

CREATE VIEW vibe.cost_by_day AS
    SELECT u.day, sum(u.runs) AS runs, sum(u.unknown_cost_runs) AS unknown_cost_runs,
           sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens, sum(u.cache_read_tokens) AS cache_read_tokens,
           sum(u.cache_write_tokens) AS cache_write_tokens, sum(u.cost_usd) AS cost_usd
      FROM vibe.usage u
     GROUP BY u.day
     ORDER BY u.day;
COMMENT ON VIEW vibe.cost_by_day IS 'Runs, tokens and known cost in US dollars by day of the claim, UTC; unknown_cost_runs ran at a cost that nobody told, and are not in cost_usd.';
-- Is everything there that carries the work, and is anything piling up? One row per check, cheap enough to be
-- asked every few seconds; whatever cannot be looked at is said, never raised.

CREATE TYPE vibe.health_info AS (check_name text, status text, value text, next_step text);
COMMENT ON TYPE vibe.health_info IS 'One check: status ok, warn or fail, what was found, and what to do about it (NULL where all is well).';

CREATE FUNCTION vibe._health_dispatcher()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here record;
BEGIN
    SELECT s.* INTO here FROM vibe.dispatcher_status() s WHERE s.database = current_database();
    IF NOT FOUND THEN
        RETURN NEXT ('dispatcher', 'fail', 'none serves this database',
            format('Add %s to vibe_orchestrator.databases; SELECT pg_reload_conf();', current_database()))::vibe.health_info;
    ELSIF here.state = 'foreign' THEN
        RETURN NEXT ('dispatcher', 'fail', 'this is a copy, its home is elsewhere', 'SELECT * FROM vibe.take_over(); once the former home starts nothing any more.')::vibe.health_info;
    ELSIF here.state <> 'running' OR here.problem IS NOT NULL THEN
        RETURN NEXT ('dispatcher', CASE here.state WHEN 'starting' THEN 'warn' ELSE 'fail' END,
            here.state || coalesce(': ' || here.problem, ''), 'SELECT * FROM vibe.dispatcher_status();')::vibe.health_info;
    ELSE
        RETURN NEXT ('dispatcher', 'ok', format('pid %s, watches %s runs', here.pid, here.running), NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB050' THEN
    RETURN NEXT ('dispatcher', 'fail', 'the library is not preloaded',
        'Set shared_preload_libraries = ''vibe_orchestrator'' in the configuration file and restart the server.')::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_dispatcher() IS 'Whether a dispatcher works for this database.';

CREATE FUNCTION vibe._health_versions()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'versions', CASE WHEN v.library = v.extension THEN 'ok' ELSE 'fail' END, format('library %s, extension %s', v.library, v.extension),
           CASE WHEN v.library <> v.extension THEN 'Restart the server, then ALTER EXTENSION vibe_orchestrator UPDATE;' END
      FROM vibe.version() v;
END;
COMMENT ON FUNCTION vibe._health_versions() IS 'Whether library and extension are of one version.';

CREATE FUNCTION vibe._health_runners()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    reason text;
BEGIN
    RETURN QUERY
        SELECT 'runner ' || r.name, CASE WHEN r.problem IS NULL AND r.executable THEN 'ok' ELSE 'fail' END,
               coalesce(r.problem, CASE WHEN r.executable THEN r.program ELSE r.program || ' is not an executable file' END),
               CASE WHEN r.problem IS NOT NULL OR NOT r.executable THEN 'Correct the runner file, or install the program.' END
          FROM vibe.runners() r ORDER BY r.name;
    RETURN QUERY
        SELECT 'runner ' || a.runner, 'fail', format('agents that work has been given to name it (%s), but it is not in the runner file', string_agg(DISTINCT a.name, ', ')),
               'Add a block of that name to the runner file, or vibe.register_agent(name => …, runner => …).'
          FROM vibe.current_agents a
         WHERE a.name IN (SELECT w.agent_name FROM vibe.work w) AND a.runner NOT IN (SELECT r.name FROM vibe.runners() r)
         GROUP BY a.runner ORDER BY a.runner;
    IF current_setting('vibe_orchestrator.allow_same_user')::boolean AND EXISTS (SELECT 1 FROM vibe.runners() r WHERE r.prefix IS NULL) THEN
        RETURN NEXT ('same user', 'warn', 'agents without a prefix run as the server''s user and could do all that it can',
            'Give the runners a prefix (sudo -n -u USER --) and set vibe_orchestrator.allow_same_user = off.')::vibe.health_info;
    ELSE
        RETURN NEXT ('same user', 'ok', 'no agent runs as the server''s user', NULL)::vibe.health_info;
    END IF;
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
    RETURN NEXT ('runner file', 'fail', reason, 'Correct the file named by vibe_orchestrator.runner_config; SELECT pg_reload_conf();')::vibe.health_info;
WHEN SQLSTATE 'VB050' THEN
    RETURN;
END
$$;
COMMENT ON FUNCTION vibe._health_runners() IS 'Whether the runner file can be used, and each runner in it; whether an agent may run as the server''s user.';

CREATE FUNCTION vibe._health_queue(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stalled record;
    stale bigint := (SELECT count(*) FROM vibe.find_stale_locks());
    blocked bigint := (SELECT count(*) FROM vibe.work w WHERE w.waiting_for IN ('person', 'approval') AND w.waiting_for = 'person');
    stray bigint := (SELECT count(*) FROM vibe._live_shims() s
                      WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = s.run_id AND r.ended_at IS NULL));
BEGIN
    SELECT count(*) AS n, min(h.since) AS since, min(h.agent_name) AS agent INTO stalled FROM vibe._stalled_heads(at) h;
    RETURN NEXT ('waiting work', CASE WHEN stalled.n > 0 THEN 'warn' ELSE 'ok' END,
        CASE WHEN stalled.n > 0 THEN format('%s agents began nothing for an hour, such as %s; the first of it waits since %s', stalled.n, stalled.agent, stalled.since)
             ELSE 'no agent lets work wait for an hour' END,
        CASE WHEN stalled.n > 0 THEN 'SELECT * FROM vibe.stuck;' END)::vibe.health_info;
    RETURN NEXT ('stale locks', CASE WHEN stale > 0 THEN 'warn' ELSE 'ok' END, stale::text,
        CASE WHEN stale > 0 THEN 'SELECT * FROM vibe.sweep();' END)::vibe.health_info;
    RETURN NEXT ('blocked work', CASE WHEN blocked > 0 THEN 'warn' ELSE 'ok' END, blocked::text,
        CASE WHEN blocked > 0 THEN 'SELECT * FROM vibe.stuck; names the call that tries each again.' END)::vibe.health_info;
    RETURN NEXT ('stray supervisors', CASE WHEN stray > 0 THEN 'warn' ELSE 'ok' END, stray::text,
        CASE WHEN stray > 0 THEN 'A running dispatcher ends them; without one they end after vibe_orchestrator.orphan_grace.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_queue(timestamptz) IS 'Whether work waits for too long, for a dead holder or for a person, and whether supervisors live whose run has ended.';

CREATE FUNCTION vibe._health_outside(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    paused text := (SELECT string_agg(format('%s until %s', p.name, p.paused_until), ', ' ORDER BY p.name) FROM vibe.providers p WHERE p.paused_until > at);
    overdue bigint := (SELECT count(*) FROM (SELECT 1 FROM vibe.deliveries d
        WHERE d.state = 'pending' AND d.next_attempt_at < at - interval '10 minutes' LIMIT 1000) d);
    notify_usage double precision := pg_notification_queue_usage();
BEGIN
    RETURN NEXT ('providers', CASE WHEN paused IS NULL THEN 'ok' ELSE 'warn' END, coalesce('paused: ' || paused, 'none is paused'),
        CASE WHEN paused IS NOT NULL THEN 'SELECT * FROM vibe.list_providers(); vibe.resume_provider(name) ends a pause.' END)::vibe.health_info;
    RETURN NEXT ('outbox', CASE WHEN overdue > 0 THEN 'warn' ELSE 'ok' END, format('%s deliveries overdue', overdue),
        CASE WHEN overdue > 0 THEN 'SELECT * FROM vibe.deliveries WHERE state = ''pending''; its notifier stands in the runner file?' END)::vibe.health_info;
    RETURN NEXT ('notify queue', CASE WHEN notify_usage > 0.5 THEN 'fail' WHEN notify_usage > 0.1 THEN 'warn' ELSE 'ok' END,
        round((100 * notify_usage)::numeric, 1) || ' % used',
        CASE WHEN notify_usage > 0.1 THEN 'A session that listens sits in a long transaction: look at pg_stat_activity.' END)::vibe.health_info;
END
$$;
COMMENT ON FUNCTION vibe._health_outside(timestamptz) IS 'Whether a provider is paused, messages are overdue, or the server''s NOTIFY queue fills up.';
-- What was made, as JSON with camelCase keys: all outputs of a campaign, and one step in detail.

CREATE FUNCTION vibe._outputs(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'kind', coalesce(s.deliverable, s.output_dir, s.label), 'branch', r.branch, 'step', r.step, 'label', s.label,
                   'agent', r.agent_name, 'outputDir', s.output_dir, 'deliverable', s.deliverable, 'outputPath', r.output_path,
                   'publishedPath', CASE WHEN r.started_by = 'dispatcher' THEN vibe._publish_path(task, r) END,
                   'score', r.quality_score, 'summary', r.summary, 'runId', r.id, 'completedAt', vibe._iso(r.closed_at))
                   ORDER BY r.branch, r.step), '[]')
          FROM (SELECT DISTINCT ON (x.branch, x.step) x.* FROM vibe.runs x
                 WHERE x.task_id = task.id AND x.outcome = 'done' AND NOT x.superseded
                 ORDER BY x.branch, x.step, x.id DESC) r
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = task.pipeline_version_id AND s.branch = r.branch AND s.step = r.step);
END
$$;
COMMENT ON FUNCTION vibe._outputs(vibe.tasks) IS 'What a task''s finished steps and branches have made, the main line first.';

CREATE FUNCTION vibe._manifest_totals(campaign vibe.campaigns, tasks jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    by_kind jsonb;
    totals jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(k.kind, k.n), '{}') INTO by_kind
      FROM (SELECT o.value ->> 'kind' AS kind, count(*) AS n
              FROM jsonb_array_elements(tasks) t, jsonb_array_elements(t.value -> 'outputs') o
             GROUP BY 1) k;
    SELECT jsonb_build_object('tasks', count(*), 'completed', count(*) FILTER (WHERE t.status = 'completed'),
               'cancelled', count(*) FILTER (WHERE t.status = 'cancelled'), 'revisions', coalesce(sum(t.revision_count), 0),
               'averageScore', round(avg(t.quality_score), 1))
      INTO totals FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    RETURN totals || jsonb_build_object('outputs', (SELECT coalesce(sum(k.value::numeric), 0) FROM jsonb_each_text(by_kind) k), 'outputsByKind', by_kind)
        || (SELECT jsonb_build_object('runs', count(*), 'costUsd', coalesce(sum(r.cost_usd), 0),
                   'inputTokens', coalesce(sum(r.input_tokens), 0), 'outputTokens', coalesce(sum(r.output_tokens), 0))
              FROM vibe.runs r WHERE r.campaign_id = campaign.id);
END
$$;
COMMENT ON FUNCTION vibe._manifest_totals(vibe.campaigns, jsonb) IS 'Sums over a campaign: tasks, outputs by kind, runs, cost and tokens.';

CREATE FUNCTION vibe.campaign_manifest(id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign vibe.campaigns;
    tasks jsonb;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = campaign_manifest.id;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(campaign_manifest.id);
    END IF;
    SELECT coalesce(jsonb_agg(jsonb_build_object('taskId', t.id, 'number', t.number, 'title', t.title, 'slug', t.slug,
               'keyword', t.keyword, 'status', t.status, 'score', t.quality_score, 'revisions', t.revision_count,
               'outputs', vibe._outputs(t)) ORDER BY t.id), '[]')
      INTO tasks FROM vibe.tasks t WHERE t.campaign_id = campaign.id;
    RETURN (
        SELECT jsonb_build_object('campaignId', campaign.id, 'slug', campaign.slug, 'name', campaign.name, 'status', campaign.status,
                   'projectId', p.id, 'project', p.slug, 'rootPath', p.root_path, 'pipeline', l.slug, 'pipelineVersion', v.number,
                   'activatedAt', vibe._iso(campaign.activated_at), 'endedAt', vibe._iso(campaign.ended_at),
                   'tasks', tasks, 'totals', vibe._manifest_totals(campaign, tasks))
          FROM vibe.projects p, vibe.pipeline_versions v JOIN vibe.pipelines l ON l.id = v.pipeline_id
         WHERE p.id = campaign.project_id AND v.id = campaign.pipeline_version_id);
END
$$;
COMMENT ON FUNCTION vibe.campaign_manifest(bigint) IS 'Everything that a campaign has made, as JSON with camelCase keys: per task the outputs of its main line and branches (kind is the deliverable or the output directory) with outputPath (in the workspace), publishedPath (where a file that the agent left is published; NULL for runs held by hand or without a root_path), score and summary; totals by kind, with cost and tokens. What a revision replaced is left out. Raises VB002.';

CREATE FUNCTION vibe._step_runs(task_id bigint, branch text, step integer)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('runId', r.id, 'attempt', r.attempt, 'revision', r.revision, 'agent', r.agent_name,
                   'model', r.model, 'runner', r.runner, 'startedBy', r.started_by, 'outcome', r.outcome, 'error', r.error,
                   'superseded', r.superseded, 'summary', r.summary, 'notes', r.notes, 'score', r.quality_score,
                   'claimedAt', vibe._iso(r.claimed_at), 'startedAt', vibe._iso(r.started_at),
                   'closedAt', vibe._iso(r.closed_at), 'endedAt', vibe._iso(r.ended_at),
                   'inputTokens', r.input_tokens, 'outputTokens', r.output_tokens, 'costUsd', r.cost_usd) ORDER BY r.id), '[]')
          FROM vibe.runs r
         WHERE r.task_id = _step_runs.task_id AND r.branch = _step_runs.branch AND r.step = _step_runs.step);
END
$$;
COMMENT ON FUNCTION vibe._step_runs(bigint, text, integer) IS 'All attempts at a step, the first one first.';

CREATE FUNCTION vibe.get_step_details(task_id bigint, step integer DEFAULT 0, branch text DEFAULT '')
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    definition vibe.pipeline_steps;
    item vibe.work;
    result vibe.runs;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = get_step_details.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(get_step_details.task_id);
    END IF;
    SELECT * INTO definition FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = coalesce(get_step_details.branch, '')
       AND s.step = coalesce(get_step_details.step, 0);
    IF NOT FOUND THEN
        PERFORM vibe._step_not_found(task.id, coalesce(get_step_details.branch, ''), coalesce(get_step_details.step, 0),
            format('SELECT vibe.get_task_pipeline_status(%s) names its steps and branches; a branch has step 0.', task.id));
    END IF;
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = definition.branch AND w.step = definition.step;
    SELECT * INTO result FROM vibe.runs r
     WHERE r.task_id = task.id AND r.branch = definition.branch AND r.step = definition.step AND r.outcome = 'done' AND NOT r.superseded
     ORDER BY r.id DESC LIMIT 1;
    RETURN jsonb_build_object('taskId', task.id, 'title', task.title, 'taskStatus', task.status, 'step', definition.step,
        'branch', definition.branch, 'state', item.state, 'waitingFor', item.waiting_for, 'readyAt', vibe._iso(item.ready_at),
        'since', vibe._iso(item.since), 'attempts', item.attempts, 'note', item.note,
        'definition', jsonb_build_object('label', definition.label, 'agent', definition.agent_name, 'model', definition.model,
            'description', definition.description, 'outputDir', definition.output_dir, 'timeoutSeconds', extract(epoch FROM definition.timeout),
            'maxAttempts', definition.max_attempts, 'gate', definition.gate, 'triggerAfterStep', definition.trigger_after_step,
            'deliverable', definition.deliverable),
        'output', CASE WHEN result.id IS NOT NULL THEN jsonb_build_object('runId', result.id, 'summary', result.summary, 'output', result.output,
            'outputPath', result.output_path, 'score', result.quality_score,
            'publishedPath', CASE WHEN result.started_by = 'dispatcher' THEN vibe._publish_path(task, result) END) END,
        'runs', vibe._step_runs(task.id, definition.branch, definition.step));
END
$$;
COMMENT ON FUNCTION vibe.get_step_details(bigint, integer, text) IS 'One step of a task as JSON with camelCase keys: its definition, where it stands now (state is null unless it is ready, held or waiting), the output that counts (null before it is done), and all its runs with outcome, error, score and cost. For a branch give its label; its step is 0. Raises VB003, VB007.';
-- What a run has printed. A log may hold anything that an agent came across, so it is the operator's to read and
-- not every viewer's. VOLATILE, since it reads files that grow, and with the owner's rights, since the function
-- that opens files is nobody's to call.

CREATE TYPE vibe.log_part AS (
    text text, from_byte bigint, next_byte bigint, total_bytes bigint, dropped_bytes bigint, finished boolean);
COMMENT ON TYPE vibe.log_part IS 'A part of what a run has printed: its text, where it begins, where the next part begins, how long the stream is by now, how much of its middle was not kept (NULL: not known), and whether nothing will be added.';

CREATE FUNCTION vibe._read_log(
    run_id bigint, claimed_at timestamptz, stream text, from_byte bigint, max_bytes integer, tail text,
    OUT text text, OUT begins bigint, OUT next_byte bigint, OUT total_bytes bigint, OUT dropped_bytes bigint
)
    LANGUAGE c
    VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'vibe_read_log';
COMMENT ON FUNCTION vibe._read_log(bigint, timestamptz, text, bigint, integer, text) IS 'Reads a part of a run''s log from its files on this machine, or of tail where there are none. Checks no argument.';

CREATE FUNCTION vibe.run_log(run_id bigint, stream text DEFAULT 'stdout', from_byte bigint DEFAULT 0, max_bytes integer DEFAULT 65536)
    RETURNS SETOF vibe.log_part
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
BEGIN
    IF stream IS NULL OR stream NOT IN ('stdout', 'stderr') THEN
        PERFORM vibe._invalid_argument('stream', stream, 'Say stdout or stderr.');
    ELSIF from_byte IS NULL THEN
        PERFORM vibe._invalid_argument('from_byte', NULL, 'Give the byte to begin with, counted from 0; -n begins n bytes before the end.');
    ELSIF max_bytes IS NULL OR max_bytes NOT BETWEEN 4 AND 16777216 THEN
        PERFORM vibe._invalid_argument('max_bytes', max_bytes::text, 'Give a number from 4 to 16777216.');
    END IF;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = run_log.run_id;
    IF NOT FOUND THEN
        PERFORM vibe._run_not_found(run_log.run_id);
    END IF;
    -- Whether it has ended was read before its files are, so a log that is said to be finished is whole.
    RETURN QUERY
        SELECT l.text, l.begins, l.next_byte, l.total_bytes, l.dropped_bytes, run.ended_at IS NOT NULL
          FROM vibe._read_log(run.id, run.claimed_at, run_log.stream, run_log.from_byte, run_log.max_bytes,
                   coalesce(CASE run_log.stream WHEN 'stdout' THEN run.output_tail ELSE run.error_tail END, '')) l;
END
$$;
COMMENT ON FUNCTION vibe.run_log(bigint, text, bigint, integer) IS 'A part of what a run has printed on stdout or stderr, while it runs and as long as its files are kept (vibe_orchestrator.run_file_retention), after that and on another machine the end that vibe.runs keeps. Begins at from_byte, -n at n bytes before the end; at most max_bytes (4 to 16777216). To follow a log, go on with next_byte until it equals total_bytes and finished is true. Beginning and end of a long stream are kept, dropped_bytes between them are not: a part ends before that gap, the next begins after it. Values of secrets are masked, no character is cut in half. Raises VB006, VB030.';
-- One task as JSON, in the earlier shape, camelCase keys and all.

CREATE FUNCTION vibe._iso(at timestamptz)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END;
COMMENT ON FUNCTION vibe._iso(timestamptz) IS 'A time as ISO 8601 in UTC, as JSON clients expect it.';

CREATE FUNCTION vibe._line_status(task vibe.tasks, item vibe.work)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT jsonb_agg(jsonb_build_object('step', s.step, 'label', s.label, 'agent', s.agent_name, 'model', s.model,
                   'description', s.description, 'outputDir', s.output_dir, 'status', CASE
                       WHEN task.status = 'completed' OR s.step < coalesce(item.step, task.step) THEN 'completed'
                       WHEN task.ended_at IS NULL AND task.step IS NULL THEN 'completed'
                       WHEN s.step = item.step AND item.waiting_for = 'approval' AND s.agent_name IS NOT NULL THEN 'completed'
                       WHEN s.step = item.step AND item.state = 'held' THEN 'in_progress'
                       WHEN item.task_id IS NULL AND s.step < (
                           SELECT max(r.step) + 1 FROM vibe.runs r
                            WHERE r.task_id = task.id AND r.branch = '' AND r.outcome = 'done' AND NOT r.superseded) THEN 'completed'
                       ELSE 'pending' END) ORDER BY s.step)
          FROM vibe.pipeline_steps s WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = '');
END
$$;
COMMENT ON FUNCTION vibe._line_status(vibe.tasks, vibe.work) IS 'The main steps of a task as JSON: pending, in_progress or completed. A step whose result waits for approval is completed, the next one is not.';

CREATE FUNCTION vibe._branch_status(task vibe.tasks)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('label', s.branch, 'agent', s.agent_name, 'model', s.model,
                   'deliverable', s.deliverable, 'triggerAfterStep', s.trigger_after_step,
                   'lockedBy', CASE WHEN w.state = 'held' THEN s.agent_name END, 'status', CASE
                       WHEN w.state = 'held' OR w.waiting_for = 'approval' THEN 'in_progress'
                       WHEN w.waiting_for = 'person' THEN 'failed'
                       WHEN w.task_id IS NOT NULL THEN 'pending'
                       WHEN s.branch = ANY (task.cancelled_branches) THEN 'cancelled'
                       WHEN EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = s.branch
                                       AND r.outcome = 'done' AND NOT r.superseded) THEN 'completed'
                       WHEN task.status = 'cancelled' THEN 'cancelled'
                       ELSE 'pending' END) ORDER BY s.trigger_after_step, s.branch), '[]')
          FROM vibe.pipeline_steps s
          LEFT JOIN vibe.work w ON w.task_id = task.id AND w.branch = s.branch
         WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch <> ''
           AND (vibe._wants(vibe._wanted(task), s.deliverable) OR w.task_id IS NOT NULL));
END
$$;
COMMENT ON FUNCTION vibe._branch_status(vibe.tasks) IS 'The wanted or open branches of a task as JSON: pending, in_progress (also while its result waits for approval), completed, failed (waits for a person) or cancelled.';

CREATE FUNCTION vibe.get_task_pipeline_status(task_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    item vibe.work;
    holder vibe.runs;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = get_task_pipeline_status.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(get_task_pipeline_status.task_id);
    END IF;
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = '';
    SELECT * INTO holder FROM vibe.runs r WHERE r.id = item.run_id;
    RETURN jsonb_build_object('taskId', task.id, 'title', task.title, 'status', task.status, 'priority', task.priority,
        'pipelineStep', item.step, 'waitingFor', item.waiting_for,
        'pipeline', vibe._line_status(task, item), 'branches', vibe._branch_status(task),
        'lockedBy', holder.agent_name, 'lockedAt', vibe._iso(holder.claimed_at),
        'qualityScore', task.quality_score, 'revisionCount', task.revision_count, 'rejectionNotes', task.rejection_notes,
        'createdAt', vibe._iso(task.created_at), 'updatedAt', vibe._iso(task.updated_at), 'endedAt', vibe._iso(task.ended_at));
END
$$;
COMMENT ON FUNCTION vibe.get_task_pipeline_status(bigint) IS 'One task as JSON with camelCase keys: its steps (pending, in_progress, completed), its wanted branches (also failed, cancelled) with who holds them, who holds the main line, scores and revisions. Raises VB003.';
-- What waits suspiciously long. An agent with a long queue lets most of it wait for hours, and all is well: only a
-- queue of which nothing was begun for an hour is stalled.

-- Walks the heads of the queues as the claim does. A task without a campaign stands in the queue of campaign 0. An
-- agent's last run is looked for by the whole key of its index, so that no plan walks the runs of others for an agent
-- that has none.
CREATE FUNCTION vibe._stalled_heads(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, agent_name text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH queue AS (
        SELECT c.id AS campaign_id, s.agent_name
          FROM vibe.campaigns c
          JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.pipeline_version_id
         WHERE c.ended_at IS NULL AND c.status IN ('active', 'in_revision') AND s.agent_name IS NOT NULL
         GROUP BY c.id, s.agent_name
        UNION ALL
        SELECT 0, a.name FROM vibe.agents a
    )
    SELECT h.task_id, h.branch, q.agent_name, h.since
      FROM queue q
     CROSS JOIN LATERAL (
            SELECT w.task_id, w.branch, w.since FROM vibe.work w
             WHERE w.state = 'ready' AND w.campaign_id = q.campaign_id AND w.agent_name = q.agent_name
             ORDER BY w.campaign_id, w.agent_name, w.priority, w.since, w.task_id LIMIT 1) h
     WHERE h.since < at - interval '1 hour'
       AND ((SELECT CASE WHEN r.agent_name = q.agent_name THEN r.claimed_at END
               FROM vibe.runs r WHERE (r.agent_name, r.id) <= (q.agent_name, 9223372036854775807)
              ORDER BY r.agent_name DESC, r.id DESC LIMIT 1)
            > at - interval '1 hour') IS NOT TRUE;
END;
COMMENT ON FUNCTION vibe._stalled_heads(timestamptz) IS 'The first ready step of each agent, in campaigns at work, that waits for more than an hour in which that agent began nothing.';

CREATE FUNCTION vibe._stuck_steps(at timestamptz)
    RETURNS TABLE (task_id bigint, branch text, since timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for IN ('person', 'approval') AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.since LIMIT 100)
    UNION ALL
    (SELECT w.task_id, w.branch, w.since FROM vibe.work w
       LEFT JOIN vibe.campaigns c ON c.id = w.campaign_id
      WHERE w.waiting_for = 'back_off' AND w.ready_at > at AND w.since < at - interval '1 hour'
        AND (c.status IS NULL OR c.status IN ('active', 'in_revision'))
      ORDER BY w.since LIMIT 100)
    UNION ALL
    (SELECT h.task_id, h.branch, h.since FROM vibe._stalled_heads(at) h ORDER BY h.since LIMIT 100)
    UNION ALL
    (SELECT l.task_id, l.branch, l.renewed_at FROM vibe.find_stale_locks() l LIMIT 100)
    UNION ALL
    -- The work behind it waits for the end of its process; where it waits for a person, that is said above.
    (SELECT r.task_id, r.branch, r.closed_at FROM vibe.runs r
       JOIN vibe.work w ON w.task_id = r.task_id AND w.branch = r.branch AND w.state = 'ready'
      WHERE r.ended_at IS NULL AND r.closed_at < at - interval '5 minutes' LIMIT 100)
    UNION ALL
    (SELECT o.task_id, '', t.updated_at FROM vibe.find_orphaned_tasks() o JOIN vibe.tasks t ON t.id = o.task_id LIMIT 100);
END;
COMMENT ON FUNCTION vibe._stuck_steps(timestamptz) IS 'Steps that need a person or wait suspiciously long, up to 100 of each kind: for a person or an approval; a back-off of more than an hour; stalled queues; locks whose holder is silent; processes that do not end; open tasks without work.';

CREATE VIEW vibe.stuck AS
    SELECT s.task_id, left(t.title, 40) AS task, coalesce(nullif(s.branch, ''), p.label, '') AS step, y.code, y.reason,
           s.since, y.next_call
      FROM (SELECT u.task_id, u.branch, min(u.since) AS since FROM vibe._stuck_steps((SELECT c.now FROM vibe.clock() c(now))) u
             GROUP BY u.task_id, u.branch ORDER BY min(u.since) LIMIT 100) s
      JOIN vibe.tasks t ON t.id = s.task_id
      LEFT JOIN vibe.pipeline_steps p ON p.pipeline_version_id = t.pipeline_version_id AND p.branch = '' AND p.step = t.step
     CROSS JOIN LATERAL vibe.why(s.task_id, s.branch) y
     ORDER BY s.since, s.task_id, s.branch;
COMMENT ON VIEW vibe.stuck IS 'What needs a person or waits suspiciously long, the longest first, 100 rows at most: the task, its step or branch, why (as vibe.why() says), since when, and the call that helps.';
-- What agents are doing. Reads only; the status is derived from what runs, from pauses and from the runner file.

CREATE FUNCTION vibe._usable_runners()
    RETURNS text[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Behind a prefix the program may stand where only another user, or another machine, sees it.
    RETURN ARRAY(SELECT r.name FROM vibe.runners() r WHERE r.problem IS NULL AND (r.executable OR r.prefix IS NOT NULL));
EXCEPTION WHEN SQLSTATE 'VB041' OR SQLSTATE 'VB050' THEN
    RETURN '{}'::text[];
END
$$;
COMMENT ON FUNCTION vibe._usable_runners() IS 'Names of the runners that could start something now; none where the runner file cannot be read.';

CREATE TYPE vibe.agent_state AS (
    name text, status text, level text, description text, default_model text, runner text, skill_path text,
    agent_file_path text, prompt_template text, max_parallel integer, heartbeat_schedule text, skills text[],
    is_preset boolean, paused_at timestamptz, open_runs bigint, current_task_id bigint, current_task text,
    tasks_completed bigint, average_quality numeric, last_active_at timestamptz, seen_at timestamptz);
COMMENT ON TYPE vibe.agent_state IS 'An agent with what it is doing and has done, as functions return it.';

CREATE FUNCTION vibe._agent_states(only_name text)
    RETURNS SETOF vibe.agent_state
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    WITH usable AS MATERIALIZED (
        SELECT vibe._usable_runners() AS names, vibe.clock() AS at
    ), live AS MATERIALIZED (
        SELECT r.agent_name, count(*) AS open_runs, min(r.id) AS first_run FROM vibe.runs r
         WHERE r.ended_at IS NULL AND r.closed_at IS NULL GROUP BY r.agent_name
    )
    SELECT a.name,
           CASE WHEN live.open_runs > 0 THEN 'active'
                WHEN a.paused_at IS NOT NULL
                     OR (a.runner <> ALL (usable.names) AND (h.seen_at > usable.at - interval '5 minutes') IS NOT TRUE) THEN 'offline'
                WHEN EXISTS (SELECT 1 FROM vibe.work w WHERE w.agent_name = a.name AND w.waiting_for = 'person') THEN 'blocked'
                ELSE 'idle' END,
           a.level, a.description, a.default_model, a.runner, a.skill_path, a.agent_file_path, a.prompt_template,
           a.max_parallel, a.heartbeat_schedule,
           ARRAY(SELECT x.skill_slug FROM vibe.agent_skills x WHERE x.agent_name = a.name ORDER BY x.position),
           a.is_preset, a.paused_at, coalesce(live.open_runs, 0), t.id, t.title, done.tasks, round(done.quality, 1),
           greatest(last.active_at, h.seen_at), h.seen_at
      FROM vibe.current_agents a
     CROSS JOIN usable
      LEFT JOIN live ON live.agent_name = a.name
      LEFT JOIN vibe.runs r ON r.id = live.first_run
      LEFT JOIN vibe.tasks t ON t.id = r.task_id
      LEFT JOIN vibe.agent_heartbeats h ON h.agent_name = a.name
      LEFT JOIN LATERAL (SELECT coalesce(l.ended_at, l.closed_at, l.claimed_at) AS active_at FROM vibe.runs l
                          WHERE l.agent_name = a.name ORDER BY l.id DESC LIMIT 1) last ON true
     CROSS JOIN LATERAL (SELECT count(*) AS tasks, avg(d.quality_score) AS quality
                           FROM vibe.tasks d
                          WHERE d.id IN (SELECT o.task_id FROM vibe.runs o
                                          WHERE o.agent_name = a.name AND o.outcome = 'done' AND NOT o.superseded)) done
     WHERE only_name IS NULL OR a.name = only_name
     ORDER BY a.name;
END;
COMMENT ON FUNCTION vibe._agent_states(text) IS 'One agent, or all with NULL, with their derived status.';

CREATE FUNCTION vibe.list_agents(status text DEFAULT NULL)
    RETURNS SETOF vibe.agent_state
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF list_agents.status NOT IN ('idle', 'active', 'blocked', 'offline') THEN
        PERFORM vibe._invalid_argument('status', list_agents.status, 'Use idle, active, blocked, offline, or NULL for all.');
    END IF;
    RETURN QUERY SELECT * FROM vibe._agent_states(NULL) a WHERE list_agents.status IS NULL OR a.status = list_agents.status;
END
$$;
COMMENT ON FUNCTION vibe.list_agents(text) IS 'Agents, all or those of a status: active (holds an open run), else offline (paused, or its runner cannot start anything and no agent_heartbeat() came for 5 minutes), else blocked (some work of it waits for a person), else idle. With skills, the task it has been at for longest, tasks it did a step of, the average score (0 to 100) of these, and when it was last seen at work. Raises VB030.';

CREATE FUNCTION vibe.get_agent(name text)
    RETURNS SETOF vibe.agent_state
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT a.* FROM vibe._agent_states(get_agent.name) a WHERE get_agent.name IS NOT NULL;
END;
COMMENT ON FUNCTION vibe.get_agent(text) IS 'One agent as list_agents() shows it, or no row.';
-- What a run would be started with, made by the functions that start runs and starting nothing.

CREATE FUNCTION vibe._explain_launch(run text, runner text, OUT record text, OUT workspace text, OUT passed text[], OUT problem text)
    LANGUAGE c
    VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'vibe_explain_launch';
COMMENT ON FUNCTION vibe._explain_launch(text, text) IS 'The launch record of a run (JSON as _launch makes it) with a runner of the runner file, where its agent works, which variables of the server it is passed, and what keeps it from being started. Raises VB050.';

-- The step that a branch is at: what its work row says, else the step of its last run, else its first one. A step
-- without an agent starts nothing: then the next one that has one.
CREATE FUNCTION vibe._step_to_explain(task vibe.tasks, branch text)
    RETURNS vibe.pipeline_steps
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at_step integer := coalesce(
        (SELECT w.step FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _step_to_explain.branch),
        (SELECT r.step FROM vibe.runs r WHERE r.task_id = task.id AND r.branch = _step_to_explain.branch ORDER BY r.id DESC LIMIT 1), 0);
    found_step vibe.pipeline_steps;
BEGIN
    SELECT * INTO found_step FROM vibe.pipeline_steps s
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = _step_to_explain.branch
       AND s.step >= at_step AND s.agent_name IS NOT NULL
     ORDER BY s.step LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB007',
            MESSAGE = 'step or branch not found',
            DETAIL = format('Task %s has no step with an agent on branch "%s" from step %s on.', task.id, _step_to_explain.branch, at_step),
            HINT = 'Branches are in vibe.pipeline_steps; '''' is the main line.';
    END IF;
    RETURN found_step;
END
$$;
COMMENT ON FUNCTION vibe._step_to_explain(vibe.tasks, text) IS 'The step with an agent that a branch of a task is at, or comes to next. Raises VB007.';

-- The run that is going on, or one as the next claim would open it. Its session is chosen when it is claimed, so it
-- is shown as zeros here.
CREATE FUNCTION vibe._run_to_explain(task vibe.tasks, branch text)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    at_step vibe.pipeline_steps;
    item vibe.work;
BEGIN
    SELECT * INTO item FROM vibe.work w WHERE w.task_id = task.id AND w.branch = _run_to_explain.branch;
    SELECT * INTO run FROM vibe.runs r WHERE r.id = item.run_id;
    IF FOUND THEN
        RETURN run;
    END IF;
    at_step := vibe._step_to_explain(task, _run_to_explain.branch);
    run.task_id := task.id;
    run.branch := _run_to_explain.branch;
    run.step := at_step.step;
    run.revision := task.revision_count;
    run.attempt := coalesce(CASE WHEN item.step = at_step.step THEN item.attempts END, 0) + 1;
    run.agent_name := coalesce(CASE WHEN item.step = at_step.step THEN item.agent_name END, at_step.agent_name);
    SELECT coalesce(at_step.model, a.default_model) INTO run.model FROM vibe.current_agents a WHERE a.name = run.agent_name;
    run.session_id := '00000000-0000-0000-0000-000000000000';
    run.resumed_session := vibe._session_to_resume(task.id, run.branch, run.step, run.revision);
    RETURN run;
END
$$;
COMMENT ON FUNCTION vibe._run_to_explain(vibe.tasks, text) IS 'The run that a branch of a task has, or would get. Raises VB007.';

-- A runner file that cannot be read is a problem to show and not an error: the prompt can be shown anyway.
CREATE FUNCTION vibe._runner_to_explain(run vibe.runs, OUT runner text, OUT provider text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    fallback text;
BEGIN
    runner := coalesce(run.runner, (SELECT a.runner FROM vibe.current_agents a WHERE a.name = run.agent_name));
    SELECT CASE WHEN run.runner IS NULL AND p.paused_until > vibe.clock() THEN f.fallback END INTO fallback
      FROM vibe.runners() f LEFT JOIN vibe.providers p ON p.name = f.provider
     WHERE f.name = _runner_to_explain.runner;
    runner := coalesce(fallback, runner);
    provider := (SELECT f.provider FROM vibe.runners() f WHERE f.name = _runner_to_explain.runner);
EXCEPTION WHEN SQLSTATE 'VB041' THEN
    provider := run.provider;
END
$$;
COMMENT ON FUNCTION vibe._runner_to_explain(vibe.runs) IS 'The runner that a run has or would get, its stand-in while its provider is paused, and the provider.';

-- The supervisor sets these for every agent, the README lists them.
CREATE FUNCTION vibe._agent_variables()
    RETURNS text[]
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT '{PATH,HOME,USER,LOGNAME,LANG,TZ,TMPDIR,TERM,NO_COLOR,CI,TRACEPARENT,VIBE_CONTRACT,VIBE_RUN_ID,VIBE_TASK_ID,VIBE_STEP,VIBE_BRANCH,VIBE_AGENT,VIBE_MODEL,VIBE_ATTEMPT,VIBE_CAMPAIGN,VIBE_SLUG,VIBE_SKILL_PATH,VIBE_BUDGET_USD,VIBE_SESSION,VIBE_RUN_DIR,VIBE_WORKSPACE,VIBE_OUTPUT_DIR,VIBE_OUTPUT_FILE,VIBE_INPUT,VIBE_RESULT,VIBE_TOKEN_FILE,VIBE_DEADLINE}'::text[];
END;
COMMENT ON FUNCTION vibe._agent_variables() IS 'Names of the environment variables that every agent has.';

CREATE FUNCTION vibe.explain_run(task_id bigint, branch text DEFAULT '')
    RETURNS TABLE (step integer, agent text, runner text, provider text, os_user text, argv text[], environment text[],
                   cwd text, limits jsonb, prompt text, problem text)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    task vibe.tasks;
    run vibe.runs;
    told jsonb;
    launch jsonb;
    passed text[];
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = explain_run.task_id;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(explain_run.task_id);
    END IF;
    run := vibe._run_to_explain(task, explain_run.branch);
    step := run.step;
    agent := run.agent_name;
    told := vibe._launch(run, NULL);
    prompt := told ->> 'prompt';
    SELECT r.runner, r.provider INTO runner, provider FROM vibe._runner_to_explain(run) r;
    SELECT l.record::jsonb -> 'runner', l.workspace, l.passed, l.problem INTO launch, cwd, passed, problem
      FROM vibe._explain_launch(told::text, runner) l;
    IF launch IS NOT NULL THEN
        os_user := (SELECT r.os_user FROM vibe.runners() r WHERE r.name = explain_run.runner);
        argv := ARRAY(SELECT jsonb_array_elements_text(launch -> 'argv'));
        limits := launch -> 'limits' || jsonb_strip_nulls(jsonb_build_object('timeout', told -> 'timeout_s'));
        environment := ARRAY(SELECT n FROM unnest(vibe._agent_variables()) n
                             UNION SELECT unnest(passed)
                             UNION SELECT jsonb_object_keys(launch -> 'env')
                             UNION SELECT s ->> 'name' FROM jsonb_array_elements(launch -> 'secret_env') s
                             ORDER BY 1);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION vibe.explain_run(bigint, text) IS 'What the run that a task''s branch has, or would get next, is started with: the exact command line, the names of its environment variables (no values), working directory (NULL: the prefix does not tell whose), limits (seconds and bytes), prompt, runner and provider. Starts nothing, and also answers while nothing may start; problem says what keeps the runner from being used. A session that is chosen at the start is shown as zeros. Raises VB003, VB007 (no such branch, or no agent on it any more), VB050.';
-- The checks of what carries the server and of the safety net itself. What the host says is read in C; what it means
-- is decided here, by functions that a test can ask about any host.

CREATE FUNCTION vibe._service_unit(cgroup text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT m.part[1]
      FROM pg_catalog.regexp_matches(cgroup, '/([^/[:space:]]+[.]service)(?=/|[[:space:]]|$)', 'g') WITH ORDINALITY m(part, nth)
     ORDER BY m.nth DESC LIMIT 1;
END;
COMMENT ON FUNCTION vibe._service_unit(text) IS 'The innermost systemd service of a control group such as 0::/system.slice/postgresql@15-main.service; NULL where there is none.';

-- An empty value takes back what was set before.
CREATE FUNCTION vibe._kill_mode(modes text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(nullif(pg_catalog.substring(modes, '([^[:cntrl:]]*)[[:cntrl:]]?$'), ''), 'control-group');
END;
COMMENT ON FUNCTION vibe._kill_mode(text) IS 'Which of the values of vibe._kill_modes() counts.';

CREATE FUNCTION vibe._judge_host(postmaster_pid integer, service_unit text, kill_mode text)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'init process', CASE WHEN postmaster_pid = 1 THEN 'fail' ELSE 'ok' END, format('the server is pid %s', postmaster_pid),
           CASE WHEN postmaster_pid = 1 THEN 'Run the container with --init: as pid 1 the server takes the end of any orphan for a crash.' END
    UNION ALL
    SELECT 'restart', CASE WHEN service_unit IS NULL OR kill_mode IN ('process', 'none') THEN 'ok' ELSE 'warn' END,
           CASE WHEN service_unit IS NULL THEN 'no service manager ends agents with the server'
                WHEN kill_mode IN ('process', 'none') THEN format('%s leaves agents alone (KillMode=%s)', service_unit, kill_mode)
                ELSE format('stopping %s ends every agent, too (KillMode=%s)', service_unit, kill_mode) END,
           CASE WHEN service_unit IS NOT NULL AND kill_mode NOT IN ('process', 'none')
                THEN format('systemctl edit %s: [Service] KillMode=process (README, Restart); or let everything finish before a restart.', service_unit) END;
END;
COMMENT ON FUNCTION vibe._judge_host(integer, text, text) IS 'What a host means for agents: whether the server is pid 1, and whether stopping its service ends the agents, too.';

CREATE FUNCTION vibe._health_host()
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT j.*
      FROM vibe._host_facts() f
     CROSS JOIN LATERAL (SELECT vibe._service_unit(f.cgroup) AS unit) s
     CROSS JOIN LATERAL vibe._judge_host(f.postmaster_pid, s.unit, vibe._kill_mode(vibe._kill_modes(s.unit))) j;
END;
COMMENT ON FUNCTION vibe._health_host() IS 'Whether the server is pid 1, and whether stopping it ends the agents, too.';

CREATE FUNCTION vibe._health_sweep(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'sweep', CASE WHEN late THEN 'warn' ELSE 'ok' END, coalesce('last at ' || s.swept_at, 'has not run yet'),
           CASE WHEN late THEN 'SELECT * FROM vibe.sweep(); the dispatcher''s timer and pg_cron (vibe.enable_cron()) call it.' END
      FROM vibe.sweep_state s
     CROSS JOIN LATERAL (SELECT (s.swept_at > at - greatest(interval '30 minutes', 3 * vibe._setting('sweep_interval'))) IS NOT TRUE AS late) l;
END;
COMMENT ON FUNCTION vibe._health_sweep(timestamptz) IS 'Whether anybody sweeps.';

CREATE FUNCTION vibe._oldest_kept(at timestamptz)
    RETURNS TABLE (what text, oldest timestamptz, kept_for interval)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'activities', (SELECT a.at FROM vibe.activities a ORDER BY a.id LIMIT 1), vibe._setting('activity_retention')
    UNION ALL
    SELECT 'notifications', (SELECT n.at FROM vibe.notifications n ORDER BY n.at LIMIT 1), vibe._setting('notification_retention')
    UNION ALL
    SELECT 'service calls', (SELECT c.at FROM vibe.service_calls c ORDER BY c.at LIMIT 1), (vibe._outside_limits()).service_calls_kept_for
    UNION ALL
    SELECT 'health history', (SELECT h.at FROM vibe.health_history h ORDER BY h.at LIMIT 1), interval '30 days'
    UNION ALL
    -- Runs are kept until their task has ended, too: a look at the first ones is enough to see whether any go.
    SELECT 'runs', (SELECT min(greatest(r.ended_at, t.ended_at))
                      FROM (SELECT f.ended_at, f.task_id FROM vibe.runs f WHERE vibe._setting('run_retention') > interval '0' ORDER BY f.id LIMIT 100) r
                      JOIN vibe.tasks t ON t.id = r.task_id
                     WHERE t.ended_at IS NOT NULL), vibe._setting('run_retention');
END;
COMMENT ON FUNCTION vibe._oldest_kept(timestamptz) IS 'The oldest of everything that has a retention, and that retention; zero keeps all.';

-- What one sweep deletes is limited, so that a shorter retention, or a server that was off, takes some sweeps.
CREATE FUNCTION vibe._health_retention(at timestamptz)
    RETURNS SETOF vibe.health_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT 'retention', CASE WHEN count(*) > 0 THEN 'warn' ELSE 'ok' END,
           coalesce('kept for too long: ' || string_agg(format('%s of %s', k.what, k.oldest::date), ', '), 'nothing is kept for too long'),
           CASE WHEN count(*) > 0 THEN 'SELECT * FROM vibe.sweep(); deletes a thousand of each at a time; again until the counts are 0.' END
      FROM vibe._oldest_kept(at) k
     WHERE k.kept_for > interval '0' AND k.oldest < at - k.kept_for * 1.1 - interval '1 day';
END;
COMMENT ON FUNCTION vibe._health_retention(timestamptz) IS 'Whether something is left that is older than its retention by far.';

-- pg_cron's tables may be missing, in another database, or closed to the caller, as its settings may be. Of what it noted only the newest is
-- looked at: nobody has to prune the runs of others.
CREATE FUNCTION vibe._health_cron()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    missing text;
    database_name text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
    runnable boolean := EXISTS (SELECT 1 FROM pg_settings s WHERE s.name = 'cron.use_background_workers' AND s.setting = 'on' OR s.name = 'cron.host' AND s.setting ~ '^/');
    visible boolean := EXISTS (SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'job_run_details'
                                WHERE n.nspname = 'cron' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'));
BEGIN
    IF NOT visible THEN
        RETURN NEXT ('pg_cron', CASE WHEN database_name IS NULL THEN 'ok' ELSE 'warn' END,
            coalesce('cannot be seen from here, its database is ' || database_name, 'is not there, or cannot be seen by this role; the dispatcher sweeps'),
            CASE WHEN database_name IS NOT NULL THEN 'SELECT statement FROM vibe.enable_cron(); gives what is to be run there: a net for when no dispatcher runs.' END)::vibe.health_info;
        RETURN;
    END IF;
    EXECUTE 'SELECT j.active, d.status, d.return_message, d.end_time FROM cron.job j
        LEFT JOIN LATERAL (SELECT n.* FROM (SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 1000) n
                            WHERE n.jobid = j.jobid AND n.end_time IS NOT NULL ORDER BY n.runid DESC LIMIT 1) d ON true
        WHERE j.jobname = $1' INTO job USING vibe._cron_job_name();
    EXECUTE 'SELECT string_agg(w.job_name, $2) FROM vibe._cron_jobs($1) w
              WHERE NOT EXISTS (SELECT FROM cron.job j WHERE j.jobname = w.job_name AND (j.schedule = w.schedule OR w.schedule = $1))'
        INTO missing USING '', ', ';
    RETURN NEXT (CASE
        WHEN job.active IS NOT TRUE THEN ('pg_cron', 'warn', 'the sweep is not scheduled', 'SELECT * FROM vibe.enable_cron();')::vibe.health_info
        WHEN job.status = 'failed' THEN ('pg_cron', 'fail', 'the last sweep failed: ' || left(coalesce(job.return_message, ''), 300),
            'Set cron.use_background_workers = on, or let its user in by pg_hba.conf; then restart the server.')::vibe.health_info
        WHEN job.status IS NULL AND NOT runnable AND database_name IS NOT NULL THEN ('pg_cron', 'warn', 'scheduled, has not run yet, and needs to log in over TCP',
            'Set cron.use_background_workers = on in the configuration file and restart the server.')::vibe.health_info
        WHEN missing IS NOT NULL THEN ('pg_cron', 'warn', 'not scheduled as it should be: ' || left(missing, 300), 'SELECT * FROM vibe.enable_cron();')::vibe.health_info
        ELSE ('pg_cron', 'ok', coalesce(format('last sweep %s at %s', job.status, job.end_time), 'scheduled'), NULL)::vibe.health_info END);
END
$$;
COMMENT ON FUNCTION vibe._health_cron() IS 'Whether pg_cron has the sweep and the heartbeats, and whether it could run them.';
-- The feed: what verbs recorded, and what runs tell by themselves. The three sources are numbered by one sequence,
-- so that a place in the feed is one number, unique and for good.

-- Members without join or condition, so that a scope and an order reach the index of each. An open run's end has no
-- id yet; whoever reads names a range of ids, which leaves it out.
CREATE VIEW vibe._feed AS
    SELECT a.id, a.at, a.kind, a.actor, a.project_id, a.campaign_id, a.task_id, NULL::text AS agent_name,
           NULL::bigint AS run_id, a.message, a.detail
      FROM vibe.activities a
    UNION ALL
    SELECT r.claim_event, r.claimed_at, 'run_started', r.agent_name, NULL::bigint, r.campaign_id, r.task_id, r.agent_name,
           r.id, NULL::text, NULL::jsonb
      FROM vibe.runs r
    UNION ALL
    SELECT r.close_event, r.closed_at, 'run_ended', r.agent_name, NULL::bigint, r.campaign_id, r.task_id, r.agent_name,
           r.id, NULL::text, NULL::jsonb
      FROM vibe.runs r;
COMMENT ON VIEW vibe._feed IS 'Activities, and the beginnings and ends of runs, in one order (id); list_activities() reads it by page. id is NULL for the end of a run that goes on, campaign_id 0 for runs of a task without campaign.';

-- Each of the following is one page of one scope, a range of an index of every member: above and below bound the
-- ids, the newest or the oldest of them come first. As in _task_page(), the planner is kept to the range; runs have
-- no index by event alone that it could walk instead.
CREATE FUNCTION vibe._feed_of_task(task_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.task_id = _feed_of_task.task_id AND (_feed_of_task.agent_name IS NULL OR f.agent_name = _feed_of_task.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.task_id = _feed_of_task.task_id AND (_feed_of_task.agent_name IS NULL OR f.agent_name = _feed_of_task.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_task(bigint, text, bigint, bigint, integer, boolean) IS 'A page of the feed of one task, also of one agent in it.';

CREATE FUNCTION vibe._feed_of_campaign(campaign_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.campaign_id = _feed_of_campaign.campaign_id AND f.run_id IS NOT NULL
              AND (_feed_of_campaign.agent_name IS NULL OR f.agent_name = _feed_of_campaign.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.campaign_id = _feed_of_campaign.campaign_id AND f.run_id IS NOT NULL
              AND (_feed_of_campaign.agent_name IS NULL OR f.agent_name = _feed_of_campaign.agent_name)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_campaign(bigint, text, bigint, bigint, integer, boolean) IS 'A page of the beginnings and ends of a campaign''s runs, also of one agent in it.';

CREATE FUNCTION vibe._feed_of_campaign_activities(campaign_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended') AND f.campaign_id >= _feed_of_campaign_activities.campaign_id
              AND (f.campaign_id, f.id) < (_feed_of_campaign_activities.campaign_id, below)
              AND f.id > above ORDER BY f.campaign_id DESC, f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended') AND f.campaign_id <= _feed_of_campaign_activities.campaign_id
              AND (f.campaign_id, f.id) > (_feed_of_campaign_activities.campaign_id, above)
              AND f.id < below ORDER BY f.campaign_id, f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_campaign_activities(bigint, bigint, bigint, integer, boolean) IS 'A page of what verbs recorded about a campaign.';

CREATE FUNCTION vibe._feed_of_agent(agent_name text, project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.agent_name = _feed_of_agent.agent_name
              AND (_feed_of_agent.project_id IS NULL
                OR (SELECT t.project_id FROM vibe.tasks t WHERE t.id = f.task_id) = _feed_of_agent.project_id)
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.agent_name = _feed_of_agent.agent_name
              AND (_feed_of_agent.project_id IS NULL
                OR (SELECT t.project_id FROM vibe.tasks t WHERE t.id = f.task_id) = _feed_of_agent.project_id)
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_agent(text, bigint, bigint, bigint, integer, boolean) IS 'A page of the beginnings and ends of one agent''s runs, also in one project.';

CREATE FUNCTION vibe._feed_of_single_tasks(project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f JOIN vibe.tasks t ON t.id = f.task_id
            WHERE f.campaign_id = 0 AND f.run_id IS NOT NULL AND t.project_id = _feed_of_single_tasks.project_id
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f JOIN vibe.tasks t ON t.id = f.task_id
            WHERE f.campaign_id = 0 AND f.run_id IS NOT NULL AND t.project_id = _feed_of_single_tasks.project_id
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_single_tasks(bigint, bigint, bigint, integer, boolean) IS 'A page of the runs for a project''s tasks without campaign.';

CREATE FUNCTION vibe._feed_of_activities(project_id bigint, above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE (f.project_id, f.id) < (_feed_of_activities.project_id, below) AND f.project_id >= _feed_of_activities.project_id
              AND f.id > above ORDER BY f.project_id DESC, f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE (f.project_id, f.id) > (_feed_of_activities.project_id, above) AND f.project_id <= _feed_of_activities.project_id
              AND f.id < below ORDER BY f.project_id, f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_activities(bigint, bigint, bigint, integer, boolean) IS 'A page of what verbs recorded about a project.';

CREATE FUNCTION vibe._feed_of_all_activities(above bigint, below bigint, max_rows integer, newest_first boolean)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_sort = off
    SET enable_incremental_sort = off
AS $$
#variable_conflict use_column
BEGIN
    IF newest_first THEN
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended')
              AND f.id > above AND f.id < below ORDER BY f.id DESC LIMIT max_rows;
    ELSE
        RETURN QUERY SELECT f.* FROM vibe._feed f
            WHERE f.kind NOT IN ('run_started', 'run_ended')
              AND f.id > above AND f.id < below ORDER BY f.id LIMIT max_rows;
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_of_all_activities(bigint, bigint, integer, boolean) IS 'A page of what verbs recorded.';

-- A project's feed is merged from those of its campaigns, the whole feed from those of the agents: there are few of
-- either, and each gives one page at most.
CREATE FUNCTION vibe._feed_page(
    project_id bigint, campaign_id bigint, task_id bigint, agent_name text, above bigint, below bigint, max_rows integer, newest_first boolean
)
    RETURNS SETOF vibe._feed
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF _feed_page.task_id IS NOT NULL THEN
        RETURN QUERY SELECT * FROM vibe._feed_of_task(_feed_page.task_id, _feed_page.agent_name, above, below, max_rows, newest_first);
    ELSIF _feed_page.campaign_id IS NOT NULL THEN
        RETURN QUERY
            SELECT * FROM vibe._feed_of_campaign(_feed_page.campaign_id, _feed_page.agent_name, above, below, max_rows, newest_first)
            UNION ALL
            SELECT * FROM vibe._feed_of_campaign_activities(_feed_page.campaign_id, above, below, max_rows, newest_first)
             WHERE _feed_page.agent_name IS NULL;
    ELSIF _feed_page.agent_name IS NOT NULL THEN
        RETURN QUERY SELECT * FROM vibe._feed_of_agent(_feed_page.agent_name, _feed_page.project_id, above, below, max_rows, newest_first);
    ELSIF _feed_page.project_id IS NOT NULL THEN
        RETURN QUERY
            SELECT f.* FROM vibe.campaigns c
             CROSS JOIN LATERAL vibe._feed_of_campaign(c.id, NULL, above, below, max_rows, newest_first) f
             WHERE c.project_id = _feed_page.project_id
            UNION ALL
            SELECT * FROM vibe._feed_of_single_tasks(_feed_page.project_id, above, below, max_rows, newest_first)
            UNION ALL
            SELECT * FROM vibe._feed_of_activities(_feed_page.project_id, above, below, max_rows, newest_first);
    ELSE
        RETURN QUERY
            SELECT f.* FROM vibe.agents a
             CROSS JOIN LATERAL vibe._feed_of_agent(a.name, NULL, above, below, max_rows, newest_first) f
            UNION ALL
            SELECT * FROM vibe._feed_of_all_activities(above, below, max_rows, newest_first);
    END IF;
END
$$;
COMMENT ON FUNCTION vibe._feed_page(bigint, bigint, bigint, text, bigint, bigint, integer, boolean) IS 'A page of the feed, or more, of the narrowest scope that is given.';

CREATE TYPE vibe.activity_info AS (
    id bigint, at timestamptz, kind text, actor text, project_id bigint, campaign_id bigint, task_id bigint,
    task_title text, agent_name text, run_id bigint, message text, detail jsonb);
COMMENT ON TYPE vibe.activity_info IS 'One event of the feed, as list_activities() returns it.';

-- The words for an event of a run.
CREATE FUNCTION vibe._run_event(kind text, run vibe.runs, task vibe.tasks, OUT message text, OUT detail jsonb)
    RETURNS record
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE WHEN kind = 'run_started'
               THEN format('%s began "%s" of task "%s".', run.agent_name, s.label, left(task.title, 200))
               ELSE format('%s ended "%s" of task "%s": %s%s.', run.agent_name, s.label, left(task.title, 200), o.description,
                           coalesce(' (' || left(run.error, 200) || ')', '')) END,
           jsonb_strip_nulls(jsonb_build_object('branch', run.branch, 'step', run.step, 'attempt', run.attempt)
               || CASE WHEN kind = 'run_started' THEN '{}' ELSE jsonb_build_object('outcome', run.outcome,
                      'quality_score', run.quality_score, 'cost_usd', run.cost_usd) END)
      FROM vibe.pipeline_steps s
      LEFT JOIN vibe.outcomes o ON o.outcome = run.outcome
     WHERE s.pipeline_version_id = task.pipeline_version_id AND s.branch = run.branch AND s.step = run.step;
END;
COMMENT ON FUNCTION vibe._run_event(text, vibe.runs, vibe.tasks) IS 'What the beginning or the end of a run says in the feed.';

CREATE FUNCTION vibe.list_activities(
    project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL, task_id bigint DEFAULT NULL, agent_name text DEFAULT NULL,
    after_id bigint DEFAULT NULL, max_rows integer DEFAULT 100, before_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.activity_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    newest_first boolean := list_activities.after_id IS NULL;
BEGIN
    PERFORM vibe._check_page(list_activities.max_rows);
    -- Of a task or campaign that is not within the wider scope, there is nothing.
    IF EXISTS (SELECT 1 FROM vibe.tasks t WHERE t.id = list_activities.task_id
                  AND (t.campaign_id IS DISTINCT FROM coalesce(list_activities.campaign_id, t.campaign_id)
                       OR t.project_id <> list_activities.project_id))
       OR EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.id = list_activities.campaign_id AND c.project_id <> list_activities.project_id) THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT f.id, f.at, f.kind, f.actor, coalesce(f.project_id, t.project_id), nullif(f.campaign_id, 0), f.task_id,
               t.title, f.agent_name, f.run_id, coalesce(f.message, e.message), coalesce(f.detail, e.detail)
          FROM (SELECT p.* FROM vibe._feed_page(list_activities.project_id, list_activities.campaign_id, list_activities.task_id,
                    list_activities.agent_name, coalesce(list_activities.after_id, 0),
                    coalesce(list_activities.before_id, 9223372036854775807), list_activities.max_rows, newest_first) p
                 ORDER BY CASE WHEN newest_first THEN -p.id ELSE p.id END LIMIT list_activities.max_rows) f
          LEFT JOIN vibe.runs r ON r.id = f.run_id
          LEFT JOIN vibe.tasks t ON t.id = f.task_id
          LEFT JOIN LATERAL vibe._run_event(f.kind, r, t) e ON f.run_id IS NOT NULL
         ORDER BY f.id;
END
$$;
COMMENT ON FUNCTION vibe.list_activities(bigint, bigint, bigint, text, bigint, integer, bigint) IS 'The feed: what verbs recorded, and beginnings and ends of runs (kind run_started, run_ended), of a project, a campaign, a task, an agent (its runs), or all, in ascending order of id, which never changes. Without after_id: the newest max_rows (1 to 1000); before_id, the first id of a page, gives the page before it. With after_id, the last id that was seen: the next ones. An id is drawn before its commit, so a reader who must miss nothing asks again from a minute back. Raises VB030.';
-- All checks in one call.

CREATE FUNCTION vibe.health()
    RETURNS SETOF vibe.health_info
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz;
BEGIN
    SELECT c.now INTO at FROM vibe.clock() c(now);
    RETURN QUERY SELECT * FROM vibe._health_dispatcher();
    RETURN QUERY SELECT * FROM vibe._health_versions();
    RETURN QUERY SELECT * FROM vibe._health_runners();
    RETURN QUERY SELECT * FROM vibe._health_queue(at);
    RETURN QUERY SELECT * FROM vibe._health_outside(at);
    RETURN QUERY SELECT * FROM vibe._health_host();
    RETURN QUERY SELECT * FROM vibe._health_sweep(at);
    RETURN QUERY SELECT * FROM vibe._health_retention(at);
    RETURN QUERY SELECT * FROM vibe._health_cron();
END
$$;
COMMENT ON FUNCTION vibe.health() IS 'One row per check: dispatcher, versions, each runner, agents as the server''s user, waiting work, stale locks, blocked work, stray supervisors, providers, outbox, notify queue, init process, restart, sweep, retention, pg_cron. status is ok, warn or fail, next_step what to do. Raises nothing.';
-- The agents and pipelines that come with the extension. They carry reserved keys and are left out of dumps;
-- what a user changes on an agent stands in vibe.agent_overrides.

INSERT INTO vibe.agents (name, level, default_model, description, is_preset, created_at)
SELECT v.name, v.level, v.model, v.description, true, now()
  FROM (VALUES
    ('vibe-orchestrator', 'orchestrator', 'sonnet', 'Looks after the pipelines: health, stuck work, backlog.'),
    ('vibe-keyword-researcher', 'specialist', 'sonnet', 'Researches keywords and topics and writes content briefs.'),
    ('vibe-serp-analyzer', 'specialist', 'sonnet', 'Analyses the search results that a text competes with.'),
    ('vibe-content-writer', 'specialist', 'sonnet', 'Writes articles from a brief.'),
    ('vibe-content-reviewer', 'specialist', 'sonnet', 'Reviews drafts and sends weak ones back.'),
    ('vibe-humanizer', 'specialist', 'opus', 'Gives a reviewed text a natural voice.'),
    ('vibe-image-director', 'specialist', 'sonnet', 'Directs the images of an article.'),
    ('vibe-social-writer', 'specialist', 'sonnet', 'Writes posts for social networks.'),
    ('vibe-content-repurposer', 'specialist', 'sonnet', 'Turns an article into other formats.'),
    ('vibe-landing-page-writer', 'specialist', 'opus', 'Writes landing pages.'),
    ('vibe-email-writer', 'specialist', 'sonnet', 'Writes e-mail sequences.'),
    ('vibe-ad-writer', 'specialist', 'sonnet', 'Writes sets of advertisements.'),
    ('vibe-audience-researcher', 'specialist', 'opus', 'Finds and describes audiences.'),
    ('vibe-audience-enricher', 'specialist', 'sonnet', 'Adds detail to audience profiles.')
  ) v(name, level, model, description);

UPDATE vibe.agents SET heartbeat_schedule = '*/10 * * * *', skill_path = vibe._share_directory() || '/vibe_orchestrator/skills/vibe-orchestrator'
 WHERE name = 'vibe-orchestrator';

CREATE FUNCTION vibe._install_preset(key bigint, slug text, name text, category text, description text, definition jsonb)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM vibe.validate_pipeline(definition) v WHERE v.level = 'error') THEN
        RAISE EXCEPTION 'preset pipeline % is invalid', slug;
    END IF;
    INSERT INTO vibe.pipelines (id, slug, name, category, description, is_preset, created_at)
    VALUES (key, slug, name, category, description, true, now());
    INSERT INTO vibe.pipeline_versions (id, pipeline_id, number, definition, convergence_step, on_complete, created_at)
    VALUES (key, key, 1, definition, (definition ->> 'convergence_step')::integer, coalesce(definition -> 'on_complete', '{}'), now());
    INSERT INTO vibe.pipeline_steps (pipeline_version_id, branch, step, label, agent_name, model, description,
                                     output_dir, timeout, max_attempts, gate, trigger_after_step, deliverable)
    SELECT key, s.branch, s.step, s.label, s.agent_name, s.model, s.description,
           s.output_dir, s.timeout, s.max_attempts, s.gate, s.trigger_after_step, s.deliverable
      FROM vibe._definition_steps(definition) s;
    RETURN key;
END
$$;
COMMENT ON FUNCTION vibe._install_preset(bigint, text, text, text, text, jsonb) IS 'Adds a pipeline that comes with the extension.';

SELECT vibe._install_preset(1, 'research-only', 'Research only', 'research', 'Keyword research and an analysis of the search results.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-serp-analyzer", "model": "sonnet", "label": "SERP Analysis", "output_dir": "research"}]}');

SELECT vibe._install_preset(2, 'content-draft', 'Content draft', 'content', 'An article from keyword to final text.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "on_complete": {"summary": true}}');

SELECT vibe._install_preset(3, 'full-content-production', 'Full content production', 'content', 'An article with its image, social posts and e-mail excerpt.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "parallel_branches": [
        {"trigger_after_step": 3, "agent": "vibe-image-director", "model": "sonnet", "label": "Hero Image", "deliverable": "heroImage"},
        {"trigger_after_step": 3, "agent": "vibe-social-writer", "model": "sonnet", "label": "Social Posts", "deliverable": "socialX"},
        {"trigger_after_step": 3, "agent": "vibe-content-repurposer", "model": "sonnet", "label": "Email Excerpt", "deliverable": "emailExcerpt"}],
    "convergence_step": 5,
    "on_complete": {"telegram": true, "summary": true, "generate_manifest": true}}');

SELECT vibe._install_preset(4, 'launch-package', 'Launch package', 'launch', 'An article, its media, and a landing page, e-mails and advertisements to launch with.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Keyword Research", "output_dir": "research"},
        {"order": 2, "agent": "vibe-keyword-researcher", "model": "sonnet", "label": "Content Brief", "output_dir": "briefs"},
        {"order": 3, "agent": "vibe-content-writer", "model": "sonnet", "label": "Write Article", "output_dir": "drafts"},
        {"order": 4, "agent": "vibe-content-reviewer", "model": "sonnet", "label": "Quality Review", "output_dir": "reviewed"},
        {"order": 5, "agent": "vibe-humanizer", "model": "opus", "label": "Humanize", "output_dir": "final"}],
    "parallel_branches": [
        {"trigger_after_step": 2, "agent": "vibe-landing-page-writer", "model": "opus", "label": "Landing Page", "deliverable": "landingPage"},
        {"trigger_after_step": 2, "agent": "vibe-email-writer", "model": "sonnet", "label": "Email Sequence", "deliverable": "emailSequence"},
        {"trigger_after_step": 2, "agent": "vibe-ad-writer", "model": "sonnet", "label": "Ad Copy Set", "deliverable": "adCopySet"},
        {"trigger_after_step": 3, "agent": "vibe-image-director", "model": "sonnet", "label": "Hero Image", "deliverable": "heroImage"},
        {"trigger_after_step": 3, "agent": "vibe-social-writer", "model": "sonnet", "label": "Social Posts", "deliverable": "socialX"},
        {"trigger_after_step": 3, "agent": "vibe-content-repurposer", "model": "sonnet", "label": "Email Excerpt", "deliverable": "emailExcerpt"}],
    "convergence_step": 5,
    "on_complete": {"telegram": true, "summary": true, "generate_manifest": true}}');

SELECT vibe._install_preset(5, 'audience-discovery', 'Audience discovery', 'audience', 'Finds audiences and enriches their profiles.', '{
    "main_steps": [
        {"order": 0, "agent": null, "label": "Created"},
        {"order": 1, "agent": "vibe-audience-researcher", "model": "opus", "label": "Research Audiences", "output_dir": "research"},
        {"order": 2, "agent": "vibe-audience-enricher", "model": "sonnet", "label": "Enrich Profiles", "output_dir": "research"}]}');

DROP FUNCTION vibe._install_preset(bigint, text, text, text, text, jsonb);
-- Who may call what: all grants of the extension, and nowhere else.
--
--   vibe_viewer    reads: every table, every function that only reads
--   vibe_operator  runs the business; may all that a viewer may
--   vibe_admin     agents, providers, services, limits; may all that an operator may
--   vibe_agent     only functions that check the token of a run; reads nothing
--
-- A function that writes runs with its owner's rights (SECURITY DEFINER), because none of the roles may write a
-- table: what it may do is what the function does. A function that only reads runs with its caller's. What stands
-- in no list below is for superusers.

REVOKE ALL ON SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA vibe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vibe FROM PUBLIC;

GRANT USAGE ON SCHEMA vibe TO vibe_viewer, vibe_agent;
GRANT SELECT ON ALL TABLES IN SCHEMA vibe TO vibe_viewer;

-- What cannot write is the viewer's, internal helpers included: reading functions call them with his rights.
DO $viewer$
DECLARE
    reads pg_catalog.regprocedure;
BEGIN
    FOR reads IN
        SELECT p.oid FROM pg_catalog.pg_proc p
         WHERE p.pronamespace = 'vibe'::pg_catalog.regnamespace AND p.provolatile <> 'v' AND p.prokind = 'f'
           AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO vibe_viewer', reads);
    END LOOP;
END
$viewer$;
GRANT EXECUTE ON FUNCTION vibe.clock TO vibe_viewer;

-- Projects
GRANT EXECUTE ON FUNCTION vibe.create_project, vibe.update_project, vibe.archive_project TO vibe_operator;

-- Campaigns
GRANT EXECUTE ON FUNCTION
    vibe.update_campaign, vibe.extend_campaign, vibe.reopen_campaign
TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.create_campaign, vibe.activate_campaign, vibe.generate_tasks, vibe.pause_campaign,
    vibe.resume_campaign, vibe.complete_campaign, vibe.cancel_campaign, vibe.check_campaign_completion
TO vibe_operator;

-- Tasks
GRANT EXECUTE ON FUNCTION
    vibe.create_task, vibe.update_task, vibe.set_task_status, vibe.set_priority, vibe.assign_task, vibe.unassign_task,
    vibe.add_subscriber, vibe.remove_subscriber, vibe.delete_task, vibe.cancel_tasks
TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.create_task TO vibe_agent;

-- Pipelines
GRANT EXECUTE ON FUNCTION
    vibe.create_pipeline, vibe.update_pipeline, vibe.rename_pipeline, vibe.fork_pipeline, vibe.delete_pipeline,
    vibe.set_step_models, vibe.import_pipeline
TO vibe_operator;

-- Agents
GRANT EXECUTE ON FUNCTION vibe.set_agent_paused, vibe.agent_heartbeat TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.register_agent, vibe.update_agent, vibe.reset_agent, vibe.delete_agent, vibe.register_skill, vibe.delete_skill,
    vibe.set_agent_skills
TO vibe_admin;

-- Steps
GRANT EXECUTE ON FUNCTION
    vibe.acquire_lock, vibe.release_lock, vibe.renew_lock, vibe.complete_step, vibe.fail_step, vibe.retry_step,
    vibe.approve_step, vibe.request_revision, vibe.cancel_task, vibe.cancel_run, vibe.get_run_input,
    vibe.cancel_branch, vibe.dispatch_agent, vibe.retry_steps
TO vibe_operator;
GRANT EXECUTE ON FUNCTION
    vibe.release_lock, vibe.renew_lock, vibe.complete_step, vibe.fail_step, vibe.request_revision, vibe.get_run_input
TO vibe_agent;

-- Providers
GRANT EXECUTE ON FUNCTION vibe.pause_provider, vibe.resume_provider TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.set_provider_limit TO vibe_admin;

-- Money
GRANT EXECUTE ON FUNCTION vibe.set_budget, vibe.approve_budget TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.set_price, vibe.set_daily_budget, vibe.set_run_budget TO vibe_admin;

-- Workers elsewhere
GRANT EXECUTE ON FUNCTION vibe.claim_runs, vibe.complete_steps, vibe.report_usage TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.report_usage TO vibe_agent;

-- Services
GRANT EXECUTE ON FUNCTION
    vibe.register_service, vibe.set_service_active, vibe.reorder_services, vibe.register_service_category,
    vibe.require_service, vibe.set_agent_services
TO vibe_admin;
GRANT EXECUTE ON FUNCTION vibe.set_service_override, vibe.log_service_call TO vibe_operator;
GRANT EXECUTE ON FUNCTION vibe.resolve_service TO vibe_viewer;
GRANT EXECUTE ON FUNCTION vibe.resolve_service, vibe.log_service_call TO vibe_agent;

-- Notifications
GRANT EXECUTE ON FUNCTION
    vibe.notify, vibe.mark_notifications_read, vibe.register_notification_kind, vibe.set_notification_rule
TO vibe_operator;

-- Looking into runs
GRANT EXECUTE ON FUNCTION vibe.run_log, vibe.explain_run TO vibe_operator;

-- Heartbeats
GRANT EXECUTE ON FUNCTION vibe.request_heartbeat TO vibe_operator;

-- Safety net
GRANT EXECUTE ON FUNCTION vibe.sweep, vibe.drain TO vibe_operator;
