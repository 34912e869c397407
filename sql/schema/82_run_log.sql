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
