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
