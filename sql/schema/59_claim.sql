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

CREATE TYPE vibe._taken AS (item vibe.work, runner text, provider text, reserve_usd numeric);
COMMENT ON TYPE vibe._taken IS 'A work row that the transaction has locked, and how its run is to be opened: by which runner (NULL: by hand), with what reserve (NULL: none).';

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

-- Most databases have no limits and most claims no chore: one look at what there is spares the others theirs.
CREATE FUNCTION vibe._claim_outlook(at timestamptz)
    RETURNS TABLE (is_home boolean, is_draining boolean, has_chores boolean, has_limits boolean)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT EXISTS (SELECT 1 FROM vibe.home h WHERE h.identity = vibe._home_identity()),
           EXISTS (SELECT 1 FROM vibe.home h WHERE h.draining_since IS NOT NULL),
           EXISTS (SELECT 1 FROM vibe.chores c WHERE c.run_id IS NULL AND c.ready_at <= at)
               OR EXISTS (SELECT 1 FROM vibe.deliveries d WHERE d.state = 'pending' AND d.next_attempt_at <= at),
           EXISTS (SELECT 1 FROM vibe.campaigns c WHERE c.ended_at IS NULL AND num_nonnulls(c.max_parallel, c.budget_usd, c.task_budget_usd) > 0)
               OR EXISTS (SELECT 1 FROM vibe.agents a WHERE a.max_parallel IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.agent_overrides o WHERE o.max_parallel IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.providers p WHERE p.max_parallel IS NOT NULL OR p.paused_until IS NOT NULL)
               OR EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'day');
END;
COMMENT ON FUNCTION vibe._claim_outlook(timestamptz) IS 'What a claim has to look at beside what is ready: is this the data''s home, is everything kept from being claimed, is a chore or a message due, is there any finite limit or ceiling.';

-- The live runs, as exactly as WHERE ended_at IS NULL says them. Beside an old snapshot that would read an entry for
-- every run that ended since: those before the last mark are left out, but for the few that were live then. Where a
-- transaction that the mark could not judge has ended since, it counts for nothing. The order, which may not be had
-- by sorting, is for the planner: while few runs are live every index seems as good to it, also one to be read whole.
CREATE FUNCTION vibe._live_runs_now()
    RETURNS TABLE (run_id bigint, task_id bigint, branch text, campaign_id bigint, agent_name text, provider text)
    LANGUAGE plpgsql
    STABLE
    ROWS 10
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    mark vibe.run_marks;
    first_id bigint := 0;
BEGIN
    SELECT * INTO mark FROM vibe.run_marks m ORDER BY m.run_id DESC LIMIT 1;
    IF mark.live_from > 0 AND (mark.undecided = '{}' OR mark.undecided <@ ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot()))) THEN
        first_id := mark.live_from;
        RETURN QUERY SELECT r.id, r.task_id, r.branch, r.campaign_id, r.agent_name, r.provider
                       FROM vibe.runs r WHERE r.id = ANY (mark.live_before) AND num_nonnulls(r.ended_at) = 0 ORDER BY r.id;
    END IF;
    RETURN QUERY SELECT r.id, r.task_id, r.branch, r.campaign_id, r.agent_name, r.provider
                   FROM vibe.runs r WHERE r.id >= first_id AND r.ended_at IS NULL ORDER BY r.id;
END
$$;
COMMENT ON FUNCTION vibe._live_runs_now() IS 'Runs that have not ended, found without reading through those that ended.';

-- Tables written: run_marks. Locks: none that anybody waits for. A mark says which runs before the last one are live.
-- Their ids were drawn before the last mark was made, and by transactions that had begun: those that have not ended
-- since are its undecided ones. A snapshot that is older than this statement could not tell, so there are no marks then.
CREATE FUNCTION vibe._mark_live_runs(run_id bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    last vibe.run_marks;
BEGIN
    SELECT * INTO last FROM vibe.run_marks m ORDER BY m.run_id DESC LIMIT 1;
    IF _mark_live_runs.run_id IS NULL OR _mark_live_runs.run_id < last.run_id + 200 OR current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN false;
    END IF;
    INSERT INTO vibe.run_marks (run_id, next_xid, live_from, live_before, undecided)
    SELECT _mark_live_runs.run_id, pg_snapshot_xmax(pg_current_snapshot()), coalesce(last.run_id, 0),
           ARRAY(SELECT l.run_id FROM vibe._live_runs_now() l WHERE l.run_id < last.run_id),
           ARRAY(SELECT x FROM pg_snapshot_xip(pg_current_snapshot()) x WHERE x < last.next_xid);
    DELETE FROM vibe.run_marks m
     WHERE m.run_id IN (SELECT o.run_id FROM vibe.run_marks o WHERE o.run_id < last.run_id ORDER BY o.run_id LIMIT 100 FOR UPDATE SKIP LOCKED);
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._mark_live_runs(bigint) IS 'After the claim of this run (NULL: of none), notes which runs are live, if 200 runs were made since that was done last.';

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
BEGIN
    RETURN ARRAY(
        WITH live AS MATERIALIZED (
            SELECT r.agent_name, r.provider, count(*) AS n FROM vibe._live_runs_now() r GROUP BY r.agent_name, r.provider
        ), runner AS MATERIALIZED (
            SELECT own.name AS asked, used.name, used.provider,
                   CASE WHEN p.name IS NULL THEN used.free::bigint
                        ELSE least(used.free, vibe._provider_room(p, (SELECT coalesce(sum(l.n), 0)::bigint FROM live l WHERE l.provider = used.provider), at))
                   END AS free
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
        SELECT (a.name, a.runner, a.provider, a.free, a.slots, CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END)::vibe._able_agent FROM agent a WHERE a.free > 0);
END
$$;
COMMENT ON FUNCTION vibe._able_agents(text[], integer[], text[], text[], text[], integer, timestamptz) IS 'Agents with room for another run, the runner and the provider it would use, and how many runs at most.';

-- The same where nothing has a limit or a pause, as in most databases: nothing is counted then.
CREATE FUNCTION vibe._unlimited_agents(runners text[], free_slots integer[], providers text[], only_agents text[], max_runs integer)
    RETURNS vibe._able_agent[]
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT (a.name, r.name, r.provider, CASE WHEN only_agents IS NULL THEN r.free ELSE max_runs END, r.free,
                CASE WHEN EXISTS (SELECT 1 FROM vibe.budgets b WHERE b.period = 'run') THEN vibe._run_budget(a.name) END)::vibe._able_agent
          FROM vibe.current_agents a
          LEFT JOIN unnest(runners, providers, free_slots) r(name, provider, free) ON only_agents IS NULL AND r.name = a.runner
         WHERE a.paused_at IS NULL AND CASE WHEN only_agents IS NULL THEN r.free > 0 ELSE a.name = ANY (only_agents) END);
END
$$;
COMMENT ON FUNCTION vibe._unlimited_agents(text[], integer[], text[], text[], integer) IS 'Agents with room for another run where _claim_outlook() has seen no limit: _able_agents() without what it counts.';

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
-- Beside an old snapshot every probe passes the dead entries of what was claimed since, and a head's lie before its
-- live ones. So what a probe has found is not looked for again: one walk over a head's dead entries, not several.
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
        WITH RECURSIVE live AS MATERIALIZED (
            SELECT r.task_id, r.branch, r.campaign_id FROM vibe._live_runs_now() r
        ), load AS MATERIALIZED (
            SELECT l.campaign_id, count(*) AS n FROM live l GROUP BY l.campaign_id
        ), level AS (
            SELECT a.agent_name, h.priority, h.campaign_id, h.since
              FROM unnest(able) a
             CROSS JOIN LATERAL (
                SELECT w.priority, w.campaign_id, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = a.agent_name
                 ORDER BY w.priority, w.campaign_id, w.since LIMIT 1) h
            UNION ALL
            SELECT l.agent_name, h.priority, h.campaign_id, h.since
              FROM level l
             CROSS JOIN LATERAL (
                SELECT w.priority, w.campaign_id, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority > l.priority
                 ORDER BY w.priority, w.campaign_id, w.since LIMIT 1) h
        ), stop AS (
            SELECT l.agent_name, l.priority, l.campaign_id AS first_campaign, l.since AS first_since, NULL::bigint AS campaign_id,
                   NULL::timestamptz AS since, last_served AS place, false AS wrapped, false AS is_open, 0 AS idle
              FROM level l
            UNION ALL
            SELECT s.agent_name, s.priority, s.first_campaign, s.first_since, following.campaign_id, following.since,
                   CASE WHEN c.is_open THEN following.campaign_id ELSE coalesce((
                       SELECT c.id - 1 FROM vibe.campaigns c WHERE c.id > following.campaign_id AND c.status IN ('active', 'in_revision')
                        ORDER BY c.id LIMIT 1), 9223372036854775807) END,
                   following.wrapped, m.affords,
                   s.idle + (m.affords AND following.campaign_id NOT IN (SELECT x.campaign_id FROM load x))::integer
              FROM stop s
             CROSS JOIN LATERAL (
                SELECT s.first_campaign, s.first_since, s.wrapped WHERE s.place < s.first_campaign
                UNION ALL
                (SELECT w.campaign_id, w.since, s.wrapped FROM vibe.work w
                  WHERE s.place >= s.first_campaign
                    AND w.state = 'ready' AND w.agent_name = s.agent_name AND w.priority = s.priority AND w.campaign_id > s.place
                    AND w.campaign_id <= CASE WHEN s.wrapped THEN last_served ELSE 9223372036854775807 END
                  ORDER BY w.campaign_id, w.since LIMIT 1)
                UNION ALL
                SELECT s.first_campaign, s.first_since, true WHERE NOT s.wrapped
                LIMIT 1) following(campaign_id, since, wrapped)
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
            SELECT s.campaign_id, s.since, s.agent_name, s.priority, a.runner, a.provider, a.slots, p.reserve_usd, p.asks_task, coalesce(x.n, 0) AS load,
                   max(s.idle) OVER (PARTITION BY s.agent_name, s.priority) >= max_runs AS one_each,
                   least(a.free, c.max_parallel - coalesce(x.n, 0), max_runs, p.runs) AS free
              FROM stop s
              JOIN unnest(able) a ON a.agent_name = s.agent_name
              LEFT JOIN load x ON x.campaign_id = s.campaign_id
              LEFT JOIN vibe.campaigns c ON c.id = s.campaign_id
             CROSS JOIN LATERAL (SELECT ceilings = '{}' AND num_nonnulls(c.budget_usd, c.task_budget_usd) = 0 AS is_unlimited OFFSET 0) u
             CROSS JOIN LATERAL (
                SELECT coalesce(c.run_budget_usd, a.run_budget_usd) AS reserve_usd, NULL::bigint AS runs, false AS asks_task WHERE u.is_unlimited
                UNION ALL
                SELECT y.reserve_usd, y.runs, y.asks_task FROM vibe._purse(s.campaign_id, a, ceilings) y WHERE NOT u.is_unlimited) p
             WHERE s.is_open
        ), candidate AS (
            SELECT l.campaign_id, l.agent_name, l.priority, l.runner, l.provider, l.slots, l.reserve_usd, first.*,
                   l.load + row_number() OVER (PARTITION BY l.campaign_id ORDER BY l.priority, first.since, first.task_id) AS turn
              FROM lane l
             CROSS JOIN LATERAL (
                SELECT w.task_id, w.branch, w.since FROM vibe.work w
                 WHERE w.state = 'ready' AND w.agent_name = l.agent_name AND w.priority = l.priority AND w.campaign_id = l.campaign_id
                   AND w.since >= l.since
                   AND (w.task_id, w.branch) NOT IN (SELECT v.task_id, v.branch FROM live v WHERE v.task_id IS NOT NULL)
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
            SELECT r.campaign_id, r.agent_name, r.provider, count(*) AS n FROM vibe._live_runs_now() r
             GROUP BY r.campaign_id, r.agent_name, r.provider
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
    RETURNS vibe._taken[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT (w, c.runner, c.provider, c.reserve_usd)::vibe._taken
          FROM unnest(chosen) WITH ORDINALITY c(task_id, branch, campaign_id, agent_name, runner, provider, reserve_usd, nth)
          JOIN vibe.work w ON w.task_id = c.task_id AND w.branch = c.branch
         WHERE w.state = 'ready' AND w.agent_name = c.agent_name
         ORDER BY c.nth LIMIT max_runs
           FOR UPDATE OF w SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION vibe._take(vibe._candidate[], integer) IS 'Locks the work rows of the first max_runs candidates, skipping those that are locked or not ready any more.';

-- Tables written: runs, work. The work rows are locked by the caller. A token is made here and is nowhere
-- else: what is stored is its hash.
CREATE FUNCTION vibe._open_runs(taken vibe._taken[], at timestamptz)
    RETURNS TABLE (run vibe.runs, token text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH opening AS MATERIALIZED (
            SELECT x.nth, (x.item).*, x.runner, x.provider, x.reserve_usd, x.runner IS NULL AS by_hand, vibe._new_token() AS token
              FROM unnest(taken) WITH ORDINALITY x(item, runner, provider, reserve_usd, nth)
        ), opened AS (
            INSERT INTO vibe.runs AS r (task_id, branch, campaign_id, step, attempt, revision, agent_name, model, runner, provider, started_by,
                                        reserved_usd, token_hash, claimed_at, started_at, renewed_at, session_id, resumed_session)
            SELECT o.task_id, o.branch, o.campaign_id, o.step, o.attempts + 1, t.revision_count, o.agent_name,
                   coalesce(s.model, a.default_model), o.runner, o.provider, CASE WHEN o.by_hand THEN 'hand' ELSE 'dispatcher' END,
                   o.reserve_usd, vibe._token_hash(o.token), at, CASE WHEN o.by_hand THEN at END, CASE WHEN o.by_hand THEN at END,
                   CASE WHEN NOT o.by_hand THEN coalesce(before.session, gen_random_uuid()::text) END, before.session
              FROM opening o
              JOIN vibe.tasks t ON t.id = o.task_id
              JOIN vibe.pipeline_steps s ON s.pipeline_version_id = t.pipeline_version_id AND s.branch = o.branch AND s.step = o.step
              JOIN vibe.current_agents a ON a.name = o.agent_name
             CROSS JOIN LATERAL (
                SELECT CASE WHEN NOT o.by_hand AND EXISTS (SELECT 1 FROM vibe.runs p WHERE p.task_id = o.task_id AND p.branch = o.branch AND p.step = o.step)
                            THEN vibe._session_to_resume(o.task_id, o.branch, o.step, t.revision_count) END AS session
                OFFSET 0) before
             ORDER BY o.nth
            RETURNING r.*
        ), held AS (
            UPDATE vibe.work w SET state = 'held', waiting_for = NULL, ready_at = NULL, run_id = n.id, since = at
              FROM opened n WHERE w.task_id = n.task_id AND w.branch = n.branch
        )
        SELECT n::vibe.runs, o.token FROM opened n JOIN opening o ON o.task_id = n.task_id AND o.branch = n.branch ORDER BY o.nth;
END
$$;
COMMENT ON FUNCTION vibe._open_runs(vibe._taken[], timestamptz) IS 'Opens the runs that hold these work rows, each with a token of its own that is returned here only: held by hand where there is no runner, else dispatched.';
