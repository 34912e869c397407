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
    task_id bigint, branch text, campaign_id bigint, agent_name text, runner text, provider text);
COMMENT ON TYPE vibe._candidate IS 'A ready step that may be claimed, and the runner that would do it.';

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

-- The candidates come from the heads of the queue, one index probe per distinct (campaign, agent) that has
-- anything ready: what waits behind a head, is paused, or belongs to an agent without room costs nothing.
CREATE FUNCTION vibe._choose(
    runners text[], free_slots integer[], providers text[], fallbacks text[], only_agents text[], max_runs integer,
    at timestamptz
)
    RETURNS vibe._candidate[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- Chores serve no campaign; the look back is short, however many of them there were.
    last_served bigint := coalesce((SELECT r.campaign_id FROM (SELECT l.* FROM vibe.runs l ORDER BY l.id DESC LIMIT 20) r
                                     WHERE r.kind = 'task' ORDER BY r.id DESC LIMIT 1), 0);
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE head AS (
            (SELECT w.campaign_id, w.agent_name FROM vibe.work w
              WHERE w.state = 'ready' ORDER BY w.campaign_id, w.agent_name LIMIT 1)
            UNION ALL
            SELECT following.campaign_id, following.agent_name
              FROM head h
             CROSS JOIN LATERAL (
                SELECT w.campaign_id, w.agent_name FROM vibe.work w
                 WHERE w.state = 'ready' AND (w.campaign_id, w.agent_name) > (h.campaign_id, h.agent_name)
                 ORDER BY w.campaign_id, w.agent_name LIMIT 1) following
        ), live AS MATERIALIZED (
            SELECT r.campaign_id, r.agent_name, r.provider, count(*) AS n FROM vibe.runs r
             WHERE r.ended_at IS NULL GROUP BY r.campaign_id, r.agent_name, r.provider
        ), runner AS MATERIALIZED (
            SELECT own.name AS asked, used.name, used.provider,
                   least(used.free, vibe._provider_room(p, (SELECT coalesce(sum(l.n), 0)::bigint FROM live l WHERE l.provider = used.provider), at)) AS free
              FROM unnest(runners, providers, fallbacks) own(name, provider, fallback)
              LEFT JOIN vibe.providers o ON o.name = own.provider
              JOIN unnest(runners, providers, free_slots) used(name, provider, free)
                ON used.name = CASE WHEN o.paused_until > at AND own.fallback IS NOT NULL THEN own.fallback ELSE own.name END
              LEFT JOIN vibe.providers p ON p.name = used.provider
        ), agent AS MATERIALIZED (
            SELECT a.name, r.name AS runner, r.provider,
                   least(CASE WHEN only_agents IS NULL THEN r.free ELSE max_runs END,
                         a.max_parallel - (SELECT coalesce(sum(l.n), 0) FROM live l WHERE l.agent_name = a.name)) AS free
              FROM vibe.current_agents a
              LEFT JOIN runner r ON only_agents IS NULL AND r.asked = a.runner
             WHERE a.paused_at IS NULL AND CASE WHEN only_agents IS NULL THEN r.free > 0 ELSE a.name = ANY (only_agents) END
        ), lane AS (
            SELECT h.campaign_id, h.agent_name, a.runner, a.provider, load.n AS load, least(a.free, c.max_parallel - load.n, max_runs) AS free
              FROM head h
              JOIN agent a ON a.name = h.agent_name AND a.free > 0
              LEFT JOIN vibe.campaigns c ON c.id = h.campaign_id
             CROSS JOIN LATERAL (SELECT coalesce(sum(l.n), 0) AS n FROM live l WHERE l.campaign_id = h.campaign_id) load
             WHERE h.campaign_id = 0 OR c.status IN ('active', 'in_revision')
        ), candidate AS (
            SELECT l.campaign_id, l.agent_name, l.runner, l.provider, first.*,
                   l.load + row_number() OVER (PARTITION BY l.campaign_id ORDER BY first.priority, first.since, first.task_id) AS turn
              FROM lane l
             CROSS JOIN LATERAL (
                SELECT w.task_id, w.branch, w.priority, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.campaign_id = l.campaign_id AND w.agent_name = l.agent_name
                   AND NOT EXISTS (SELECT 1 FROM vibe.runs r
                                    WHERE r.task_id = w.task_id AND r.branch = w.branch AND r.ended_at IS NULL)
                 ORDER BY w.priority, w.since, w.task_id
                 LIMIT l.free) first
             WHERE l.free > 0
        ), ranked AS (
            SELECT c.*, row_number() OVER (ORDER BY c.priority, c.turn, c.campaign_id <= last_served, c.campaign_id, c.since, c.task_id) AS place,
                   row_number() OVER (PARTITION BY c.runner ORDER BY c.priority, c.turn, c.campaign_id <= last_served, c.campaign_id, c.since, c.task_id) AS nth
              FROM candidate c
        )
        SELECT (r.task_id, r.branch, r.campaign_id, r.agent_name, r.runner, r.provider)::vibe._candidate
          FROM ranked r
         WHERE only_agents IS NOT NULL OR r.nth <= (SELECT f.free FROM unnest(runners, free_slots) f(name, free) WHERE f.name = r.runner)
         ORDER BY r.place LIMIT max_runs);
END
$$;
COMMENT ON FUNCTION vibe._choose(text[], integer[], text[], text[], text[], integer, timestamptz) IS 'Up to max_runs ready steps in the order in which they are to be claimed, for the free slots of runners or (only_agents) for agents that are worked elsewhere. Looks at limits without holding them.';

-- Locks: the limits of the candidates (tried). A candidate whose limit another transaction is counting at this
-- moment is left out.
CREATE FUNCTION vibe._within_limits(chosen vibe._candidate[], at timestamptz)
    RETURNS vibe._candidate[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
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
            SELECT c.nth, l.name
              FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, nth)
             CROSS JOIN LATERAL unnest(ARRAY['campaign ' || c.campaign_id, 'agent ' || c.agent_name, 'provider ' || c.provider]) l(name)
             WHERE l.name = ANY (limits)
        ), over AS (
            SELECT m.nth FROM (SELECT m.nth, m.name, row_number() OVER (PARTITION BY m.name ORDER BY m.nth) AS place FROM member m) m
              LEFT JOIN room r ON r.name = m.name
             WHERE m.place > coalesce(r.free, 0)
        )
        SELECT coalesce(array_agg((c.task_id, c.branch, c.campaign_id, c.agent_name, c.runner, c.provider)::vibe._candidate ORDER BY c.nth), '{}')
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, nth)
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
         WHERE (p.max_parallel IS NOT NULL OR p.paused_until IS NOT NULL) AND p.name IN (SELECT x.provider FROM unnest(chosen) x));
END
$$;
COMMENT ON FUNCTION vibe._limits_of(vibe._candidate[]) IS 'Names of the finite limits that candidates fall under.';

CREATE FUNCTION vibe._room(limits text[], at timestamptz)
    RETURNS TABLE (name text, free bigint)
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
                    FROM vibe.providers p WHERE p.name = l.key) END
          FROM (SELECT n AS name, split_part(n, ' ', 1) AS kind, substr(n, strpos(n, ' ') + 1) AS key FROM unnest(limits) n) l;
END
$$;
COMMENT ON FUNCTION vibe._room(text[], timestamptz) IS 'How many more runs each of these limits allows at this moment.';

-- Tables written: none; locks the work rows that are still ready. What somebody else has locked is left out.
CREATE FUNCTION vibe._take(chosen vibe._candidate[])
    RETURNS TABLE (taken vibe.work, runner text, provider text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT w, c.runner, c.provider
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, nth)
          JOIN vibe.work w ON w.task_id = c.task_id AND w.branch = c.branch
         WHERE w.state = 'ready' AND w.agent_name = c.agent_name
         ORDER BY c.nth
           FOR UPDATE OF w SKIP LOCKED;
END
$$;
COMMENT ON FUNCTION vibe._take(vibe._candidate[]) IS 'Locks the work rows of candidates, skipping those that are locked or not ready any more.';

-- Tables written: runs, work, providers. The work row is locked by the caller.
CREATE FUNCTION vibe._open_run(item vibe.work, runner text, provider text, token text, at timestamptz)
    RETURNS vibe.runs
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    run vibe.runs;
    by_hand boolean := runner IS NULL;
BEGIN
    INSERT INTO vibe.runs AS r (task_id, branch, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                token_hash, claimed_at, started_at, renewed_at, session_id, resumed_session)
    SELECT item.task_id, item.branch, item.campaign_id, item.step, item.attempts + 1, t.revision_count, item.agent_name,
           coalesce(s.model, a.default_model), _open_run.runner, _open_run.provider, CASE WHEN by_hand THEN 'hand' ELSE 'dispatcher' END,
           vibe._token_hash(token), at, CASE WHEN by_hand THEN at END, CASE WHEN by_hand THEN at END,
           CASE WHEN NOT by_hand THEN gen_random_uuid() END,
           CASE WHEN NOT by_hand THEN vibe._session_to_resume(item.task_id, item.branch, item.step, t.revision_count) END
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
COMMENT ON FUNCTION vibe._open_run(vibe.work, text, text, text, timestamptz) IS 'Opens the run that holds a work row: held by hand where runner is NULL, else dispatched.';
