-- Tables of the safety net, and the indexes that it needs of its own.

-- Not user data: a restored database starts with a fresh row.
CREATE TABLE vibe.sweep_state (
    singleton boolean PRIMARY KEY DEFAULT true,
    swept_at timestamptz,
    dispatcher_gone_since timestamptz,
    looked_up_to bigint NOT NULL DEFAULT 0,
    runs_looked_up_to bigint NOT NULL DEFAULT 0,
    CONSTRAINT one_row CHECK (singleton)
);
COMMENT ON TABLE vibe.sweep_state IS 'What one sweep leaves for the next; its row lock keeps two sweeps apart.';
COMMENT ON COLUMN vibe.sweep_state.singleton IS 'Always true.';
COMMENT ON COLUMN vibe.sweep_state.swept_at IS 'When the last sweep ran.';
COMMENT ON COLUMN vibe.sweep_state.dispatcher_gone_since IS 'When a sweep first found no dispatcher; NULL while there is one.';
COMMENT ON COLUMN vibe.sweep_state.looked_up_to IS 'The last open task that was looked at for lost work; the next sweep goes on behind it. 0: it begins anew.';
COMMENT ON COLUMN vibe.sweep_state.runs_looked_up_to IS 'The last old run that was looked at for pruning; the next sweep goes on behind it. 0: it begins anew.';
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

-- Not user data: what is noted of a server's transactions says nothing about another's.
CREATE TABLE vibe.run_marks (
    run_id bigint PRIMARY KEY,
    next_xid xid8 NOT NULL,
    live_from bigint NOT NULL,
    live_before bigint[] NOT NULL,
    undecided xid8[] NOT NULL
);
COMMENT ON TABLE vibe.run_marks IS 'Where the live runs are: what spares a claim the dead entries that ended runs leave in an index beside an old snapshot. Without a row every live run is looked for.';
COMMENT ON COLUMN vibe.run_marks.run_id IS 'The run at whose claim this was noted.';
COMMENT ON COLUMN vibe.run_marks.next_xid IS 'The next transaction id then: whatever began later made only later runs.';
COMMENT ON COLUMN vibe.run_marks.live_from IS 'Runs from this one on may be live; 0: any.';
COMMENT ON COLUMN vibe.run_marks.live_before IS 'Those before it that were live.';
COMMENT ON COLUMN vibe.run_marks.undecided IS 'Transactions that may have made runs before it and had not ended; once one has, this mark says nothing.';

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
