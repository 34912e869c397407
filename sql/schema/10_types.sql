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
