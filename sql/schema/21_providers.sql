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
