-- The database of a bench: the extension, agents that are worked elsewhere (their runner is not in the runner file),
-- a pipeline of four steps for them, and functions that fill tables and that stand for what a hand-written queue
-- would do.

SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
CREATE SCHEMA bench;

SELECT count(*) FROM vibe.create_project('bench', 'Bench');
SELECT count(*) FROM generate_series(1, :agents) n, LATERAL vibe.register_agent('agent-' || n);
UPDATE vibe.agents SET runner = 'elsewhere' WHERE NOT is_preset;

-- A line of n steps; agents take turns.
CREATE FUNCTION bench.pipeline(slug text, steps integer, agents integer) RETURNS text LANGUAGE sql AS $$
    SELECT p.slug FROM vibe.create_pipeline(pipeline.slug, 'Bench', jsonb_build_object('main_steps',
        (SELECT jsonb_agg(jsonb_build_object('order', i, 'agent', 'agent-' || (i - 1) % agents + 1, 'label', 'Step ' || i))
           FROM generate_series(1, steps) i))) p
$$;

CREATE FUNCTION bench.campaign(slug text, pipeline text, tasks integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT c.id FROM vibe.create_campaign(1, slug, 'Bench', pipeline_slug => pipeline, target_article_count => tasks) c
$$;

CREATE SEQUENCE bench.names;
-- A running campaign.
CREATE FUNCTION bench.activate(pipeline text, tasks integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint := bench.campaign('bench-' || nextval('bench.names'), pipeline, tasks);
BEGIN
    PERFORM vibe.activate_campaign(id);
    RETURN id;
END
$$;

-- Claims everything that is ready, so that a script finds each token by a number.
CREATE TABLE bench.claims (n bigint PRIMARY KEY, task_id bigint NOT NULL, agent_name text NOT NULL, token text NOT NULL);
CREATE FUNCTION bench.claim_all() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    claimed bigint;
BEGIN
    TRUNCATE bench.claims;
    INSERT INTO bench.claims
    SELECT row_number() OVER () - 1, (o.run).task_id, (o.run).agent_name, o.token
      FROM vibe._open_runs(ARRAY(SELECT (w, NULL, NULL, NULL)::vibe._taken FROM vibe.work w WHERE w.state = 'ready'), clock_timestamp()) o;
    SELECT count(*) INTO claimed FROM bench.claims;
    RETURN claimed;
END
$$;

-- A worker's transaction: take one step, do it. Returns whether there was one.
CREATE FUNCTION bench.work_one(agents text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mine record;
BEGIN
    SELECT * INTO mine FROM vibe.claim_runs(agents, 1);
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    PERFORM vibe.complete_step(mine.task_id, mine.agent_name, mine.lock_token);
    RETURN 1;
END
$$;

-- The same for up to n steps at once, in two transactions: what is claimed, and how it is completed.
CREATE FUNCTION bench.claim_many(agents text[], n integer) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('task_id', c.task_id, 'agent_name', c.agent_name, 'lock_token', c.lock_token))
      FROM vibe.claim_runs(agents, n) c
$$;
CREATE PROCEDURE bench.work_many(agents text[], n integer) LANGUAGE plpgsql AS $$
DECLARE
    results jsonb := bench.claim_many(agents, n);
BEGIN
    COMMIT;
    PERFORM vibe.complete_steps(results) WHERE results IS NOT NULL;
END
$$;

-- The least that a queue of one's own would do per step: one UPDATE and one line of history.
CREATE TABLE bench.jobs (id bigint PRIMARY KEY, step integer NOT NULL DEFAULT 1, state text NOT NULL DEFAULT 'ready', updated_at timestamptz)
    WITH (fillfactor = 70);
CREATE INDEX jobs_ready_idx ON bench.jobs (step, id) WHERE state = 'ready';
CREATE TABLE bench.history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job bigint NOT NULL, step integer NOT NULL, at timestamptz NOT NULL);

CREATE FUNCTION bench.complete(job bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    done integer;
BEGIN
    UPDATE bench.jobs j SET step = j.step + 1, updated_at = clock_timestamp() WHERE j.id = job RETURNING j.step INTO done;
    INSERT INTO bench.history (job, step, at) VALUES (job, done, clock_timestamp());
    RETURN done;
END
$$;

CREATE FUNCTION bench.complete_next(steps integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mine bench.jobs;
BEGIN
    SELECT * INTO mine FROM bench.jobs j WHERE j.state = 'ready' ORDER BY j.step, j.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE bench.jobs j SET step = j.step + 1, state = CASE WHEN j.step < steps THEN 'ready' ELSE 'done' END, updated_at = clock_timestamp()
     WHERE j.id = mine.id;
    INSERT INTO bench.history (job, step, at) VALUES (mine.id, mine.step, clock_timestamp());
    RETURN 1;
END
$$;

-- Does steps, a commit each, until a query says that none is left.
CREATE PROCEDURE bench.drain(step text, remaining text) LANGUAGE plpgsql AS $$
DECLARE
    done bigint;
    n bigint;
BEGIN
    LOOP
        EXECUTE step INTO done;
        COMMIT;
        CONTINUE WHEN done > 0;
        EXECUTE remaining INTO n;
        COMMIT;
        EXIT WHEN n = 0;
        -- What is left is with others.
        PERFORM pg_sleep(0.005);
    END LOOP;
END
$$;

-- The same set-wise, claims and completions in turn.
CREATE PROCEDURE bench.drain_many(agents text[], at_once integer, remaining text) LANGUAGE plpgsql AS $$
DECLARE
    results jsonb;
    n bigint;
BEGIN
    LOOP
        results := bench.claim_many(agents, at_once);
        COMMIT;
        PERFORM vibe.complete_steps(results) WHERE results IS NOT NULL;
        COMMIT;
        CONTINUE WHEN results IS NOT NULL;
        EXECUTE remaining INTO n;
        COMMIT;
        EXIT WHEN n = 0;
        -- What is left is with others.
        PERFORM pg_sleep(0.005);
    END LOOP;
END
$$;

-- Campaigns with waiting or finished tasks, written past the verbs: a million of them in seconds. The agent of a
-- task follows from its number within the campaign.
CREATE FUNCTION bench.fill(campaigns integer, tasks integer, agents integer, finished boolean) RETURNS bigint LANGUAGE plpgsql
SET session_replication_role = replica AS $$
DECLARE
    version bigint := (SELECT max(v.id) FROM vibe.pipeline_versions v);
    first bigint;
BEGIN
    SELECT coalesce(max(c.id), 0) + 1 INTO first FROM vibe.campaigns c;
    INSERT INTO vibe.campaigns (project_id, slug, name, status, pipeline_version_id, target_article_count, created_at, updated_at, activated_at, ended_at)
    SELECT 1, 'fill-' || first + i, 'Bench', CASE WHEN finished THEN 'completed' ELSE 'active' END, version, tasks, now(), now(), now(),
           CASE WHEN finished THEN now() END
      FROM generate_series(0, campaigns - 1) i;
    INSERT INTO vibe.tasks (project_id, campaign_id, pipeline_version_id, number, title, slug, status, step, created_at, updated_at, ended_at)
    SELECT 1, first + i, version, n, 'Article ' || n, 'task-' || n, CASE WHEN finished THEN 'completed' ELSE 'backlog' END,
           CASE WHEN NOT finished THEN n % agents + 1 END, now(), now(), CASE WHEN finished THEN now() END
      FROM generate_series(0, campaigns - 1) i, generate_series(1, tasks) n;
    IF finished THEN
        INSERT INTO vibe.runs (task_id, campaign_id, step, attempt, revision, agent_name, started_by, token_hash, claimed_at, started_at, renewed_at,
                               closed_at, ended_at, outcome)
        SELECT t.id, t.campaign_id, 1, 1, 0, 'agent-1', 'hand', sha256(''), now(), now(), now(), now(), now(), 'done'
          FROM vibe.tasks t WHERE t.campaign_id >= first;
    ELSE
        INSERT INTO vibe.work (task_id, campaign_id, step, agent_name, state, priority, since)
        SELECT t.id, t.campaign_id, t.step, 'agent-' || t.step, 'ready', 2, now() FROM vibe.tasks t WHERE t.campaign_id >= first;
    END IF;
    RETURN campaigns * tasks;
END
$$;

-- Ends what is claimed and makes it ready again, for the next round.
CREATE FUNCTION bench.give_back() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    live bigint[] := ARRAY(SELECT r.id FROM vibe.runs r WHERE r.ended_at IS NULL AND r.started_by = 'dispatcher');
BEGIN
    PERFORM vibe._put_back(live, 'bench', clock_timestamp());
    UPDATE vibe.runs r SET ended_at = clock_timestamp() WHERE r.id = ANY (live);
    RETURN cardinality(live);
END
$$;

CREATE FUNCTION bench.time_of(statement text) RETURNS double precision LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    begun timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    RETURN extract(epoch FROM clock_timestamp() - begun) * 1000;
END
$$;
