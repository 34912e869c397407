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

CREATE FUNCTION vibe._providers_work(run_ids bigint[])
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    opened bigint;
BEGIN
    UPDATE vibe.providers p
       SET paused_at = NULL, paused_until = NULL, pause_reason = NULL, pauses_in_a_row = 0, probed_at = NULL
     WHERE EXISTS (SELECT 1 FROM vibe.runs r WHERE r.id = ANY (run_ids) AND r.provider = p.name AND r.claimed_at >= p.paused_until);
    GET DIAGNOSTICS opened = ROW_COUNT;
    RETURN opened;
END
$$;
COMMENT ON FUNCTION vibe._providers_work(bigint[]) IS 'Runs that were started after a pause and went well end it for good.';
