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
