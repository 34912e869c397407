-- Helpers of the pgTAP tests, loaded once per database; agents agent-1 to agent-9 stay, everything else a test
-- makes is rolled back with it. Returned ids go into psql variables with \gset.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE SCHEMA t;
CREATE SEQUENCE t.names;

SELECT count(*) FROM generate_series(1, 9) n, LATERAL vibe.register_agent(name => 'agent-' || n, default_model => 'small') \g /dev/null

-- Sets the clock of every verb for the rest of the transaction.
CREATE FUNCTION t.now(at text) RETURNS text LANGUAGE sql
    AS $$ SELECT set_config('vibe_orchestrator.fake_now', at, true) $$;

-- A setting of ours, for the rest of the transaction.
CREATE FUNCTION t.setting(name text, value text) RETURNS text LANGUAGE sql
    AS $$ SELECT set_config('vibe_orchestrator.' || name, value, true) $$;

-- The definition of a main line: Created, then n steps of agent-1, agent-2, …; steps adds keys to single steps
-- ({"2": {"gate": "human"}}), extra to the whole ({"parallel_branches": […]}).
CREATE FUNCTION t.definition(n_steps integer, extra jsonb DEFAULT '{}', steps jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
    AS $$
    SELECT jsonb_build_object('main_steps', jsonb_agg(jsonb_build_object('order', n, 'label', CASE n WHEN 0 THEN 'Created' ELSE 'Step ' || n END,
               'agent', CASE WHEN n > 0 THEN 'agent-' || (n - 1) % 9 + 1 END) || coalesce(steps -> n::text, '{}') ORDER BY n)) || extra
      FROM generate_series(0, n_steps) n
    $$;

CREATE FUNCTION t.pipeline(n_steps integer, extra jsonb DEFAULT '{}', steps jsonb DEFAULT '{}') RETURNS text LANGUAGE sql
    AS $$ SELECT slug FROM vibe.create_pipeline('test-' || nextval('t.names'), 'Test', t.definition(n_steps, extra, steps)) $$;

-- A branch for t.pipeline's extra, triggered by a step, done by agent-9.
CREATE FUNCTION t.branch(label text, after integer, extra jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('label', label, 'agent', 'agent-9', 'trigger_after_step', after) || extra $$;

-- An active campaign with n tasks.
CREATE FUNCTION t.campaign(pipeline_slug text, n integer DEFAULT 1, max_revisions integer DEFAULT 3, deliverables jsonb DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql
    AS $$
DECLARE
    id bigint;
BEGIN
    SELECT c.id INTO id
      FROM vibe.create_project('test-' || nextval('t.names'), 'Test', root_path => '/srv/test') p,
           vibe.create_campaign(p.id, 'test-' || nextval('t.names'), 'Test', pipeline_slug => campaign.pipeline_slug,
               target_article_count => n, max_revisions => campaign.max_revisions, deliverables => campaign.deliverables) c;
    PERFORM vibe.activate_campaign(id);
    RETURN id;
END
$$;

-- The n-th task of a campaign.
CREATE FUNCTION t.task(campaign bigint, n integer DEFAULT 1) RETURNS bigint LANGUAGE sql
    AS $$ SELECT id FROM vibe.tasks WHERE campaign_id = campaign AND number = n $$;

-- Takes a step by hand, for the agent that it belongs to.
CREATE FUNCTION t.acquire(task bigint, branch text DEFAULT '', OUT run_id bigint, OUT token text, OUT agent text) LANGUAGE sql
    AS $$
    SELECT l.run_id, l.lock_token, w.agent_name
      FROM vibe.work w, vibe.acquire_lock(w.task_id, w.agent_name, w.branch) l
     WHERE w.task_id = task AND w.branch = acquire.branch
    $$;

-- Does a step by hand: acquires and completes it; returns the task's status.
CREATE FUNCTION t.done(task bigint, branch text DEFAULT '', score numeric DEFAULT NULL) RETURNS text LANGUAGE sql
    AS $$
    SELECT c.task_status
      FROM t.acquire(task, done.branch) a,
           vibe.complete_step(task, a.agent, a.token, quality_score => score, branch => done.branch) c
    $$;

-- Claims as the dispatcher does, for the runner that the agents name; returns run ids.
CREATE FUNCTION t.claim(n integer DEFAULT 1) RETURNS SETOF bigint LANGUAGE sql
    AS $$ SELECT run_id FROM vibe._claim_runs('{default}', ARRAY[n], n) $$;

-- Ends a dispatched run with an exit record; extra adds or replaces its keys.
CREATE FUNCTION t.finish(run bigint, outcome text DEFAULT 'done', extra jsonb DEFAULT '{}', OUT accepted boolean, OUT publish_path text)
    LANGUAGE sql
    AS $$
    SELECT f.accepted, f.publish_path
      FROM vibe._finish_run(run, (jsonb_build_object('protocol', 1, 'run_id', run::text, 'outcome', outcome, 'exit_code', 0) || extra)::text) f
    $$;

-- A notifier's run on a channel, as the dispatcher starts it, with what it is to send; NULL when there is nothing.
CREATE FUNCTION t.deliver(channel text DEFAULT 'telegram', OUT run bigint, OUT messages jsonb) LANGUAGE sql
    AS $$ SELECT run_id, run -> 'messages' FROM vibe._claim_runs(ARRAY[channel], '{1}', 1) $$;

-- Ends a notifier's run with its answers, [{"id", "status", …}].
CREATE FUNCTION t.answer(run bigint, answers jsonb, outcome text DEFAULT 'done') RETURNS boolean LANGUAGE sql
    AS $$ SELECT accepted FROM t.finish(run, outcome, jsonb_build_object('result', jsonb_build_object('output', jsonb_build_object('messages', answers)))) $$;

-- How the outbox stands, oldest first: state, attempts and doubts of each.
CREATE FUNCTION t.outbox() RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(format('%s %s %s', state, attempts, doubts), ', ' ORDER BY notification_id, channel) FROM vibe.deliveries $$;

-- Where the work of a (task, branch) stands, as "step state [what it waits for]"; NULL when there is none.
CREATE FUNCTION t.work(task bigint, branch text DEFAULT '') RETURNS text LANGUAGE sql
    AS $$ SELECT concat_ws(' ', w.step, w.state, w.waiting_for) FROM vibe.work w WHERE w.task_id = task AND w.branch = work.branch $$;

CREATE FUNCTION t.status(task bigint) RETURNS text LANGUAGE sql AS $$ SELECT status FROM vibe.tasks WHERE id = task $$;
CREATE FUNCTION t.campaign_status(campaign bigint) RETURNS text LANGUAGE sql
    AS $$ SELECT status FROM vibe.campaigns WHERE id = campaign $$;
CREATE FUNCTION t.outcome(run bigint) RETURNS text LANGUAGE sql AS $$ SELECT outcome FROM vibe.runs WHERE id = run $$;

-- The codes of the errors, or warnings, of a definition, in order.
CREATE FUNCTION t.problems(definition jsonb, level text DEFAULT 'error') RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM vibe.validate_pipeline(definition) v WHERE v.level = problems.level $$;

-- One check of health, as "status: value".
CREATE FUNCTION t.health(check_name text) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(h.status || ': ' || h.value, '; ') FROM vibe.health() h WHERE h.check_name = health.check_name $$;

-- Does what a check's next_step begins with: a statement up to its semicolon.
CREATE FUNCTION t.follow_hint(check_name text) RETURNS text LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE (SELECT substring(h.next_step, '^SELECT [^;]+') FROM vibe.health() h WHERE h.check_name = follow_hint.check_name);
    RETURN t.health(follow_hint.check_name);
END
$$;

-- Everything the verbs can write, as one number per table: equal before and after means nothing was left behind.
CREATE FUNCTION t.everything() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    tab text;
    n text;
    said text := '';
BEGIN
    FOR tab IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r' ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) || coalesce(md5(string_agg(r::text, '','' ORDER BY r::text)), '''') FROM vibe.%I r', tab) INTO n;
        said := said || format('%s %s; ', tab, n);
    END LOOP;
    RETURN said;
END
$$;

-- In a schema: a function for each of pg_catalog's that our functions could mean, an operator for each on the types
-- that they use, types and tables of the names that they use. Each raises EVIL0 when it is called.
CREATE FUNCTION t.lay_traps(schema text) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    types regtype[] := '{text,bigint,integer,smallint,numeric,"double precision",timestamptz,interval,jsonb,boolean,bytea}';
    trap text;
    n bigint := 0;
BEGIN
    FOR trap IN
        WITH word AS (
            SELECT DISTINCT w[1] AS name FROM pg_proc p, regexp_matches(p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), ''), '[a-z_][a-z_0-9]*', 'g') w
             WHERE p.pronamespace = 'vibe'::regnamespace
        ), called AS (
            SELECT DISTINCT ON (p.proname, p.proargtypes) p.* FROM pg_proc p JOIN word w ON w.name = p.proname
             WHERE p.pronamespace IN ('pg_catalog'::regnamespace, 'vibe'::regnamespace) AND p.prokind = 'f' AND p.proallargtypes IS NULL
               AND NOT EXISTS (SELECT FROM unnest(p.proargtypes || ARRAY[p.prorettype]) a(type) JOIN pg_type y ON y.oid = a.type WHERE y.typtype = 'p')
        )
        SELECT format('CREATE FUNCTION %s.%I(%s) RETURNS %s%s LANGUAGE plpgsql AS %L', schema, c.proname, array_to_string(c.proargtypes::regtype[], ', '),
                      CASE WHEN c.proretset THEN 'SETOF ' ELSE '' END, c.prorettype::regtype, $evil$BEGIN RAISE EXCEPTION USING ERRCODE = 'EVIL0'; END$evil$)
          FROM called c
        UNION ALL
        SELECT format('CREATE FUNCTION %s.trap_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', schema, o.oid, concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype),
                      o.oprresult::regtype, $evil$BEGIN RAISE EXCEPTION USING ERRCODE = 'EVIL0'; END$evil$)
               || format('; CREATE OPERATOR %s.%s (%sRIGHTARG = %s, FUNCTION = %s.trap_%s)', schema, o.oprname,
                         'LEFTARG = ' || nullif(o.oprleft, 0)::regtype || ', ', o.oprright::regtype, schema, o.oid)
          FROM pg_operator o
         WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprright = ANY (types) AND (o.oprleft = 0 OR o.oprleft = ANY (types))
        UNION ALL
        SELECT format('CREATE DOMAIN %s.%s AS text CHECK (%s.trap_type() IS NULL)', schema, y, schema)
          FROM unnest(ARRAY['interval', 'timestamptz', 'jsonb', 'numeric', 'bigint', 'name', 'regclass']) y
        UNION ALL
        SELECT format('CREATE TABLE %s.%I (LIKE %s)', schema, c.relname, c.oid::regclass)
          FROM pg_class c
         WHERE c.relkind IN ('r', 'v') AND (c.relnamespace = 'vibe'::regnamespace OR c.relnamespace = 'pg_catalog'::regnamespace AND c.relname IN ('pg_database', 'pg_extension', 'pg_proc', 'pg_roles'))
    LOOP
        IF n = 0 THEN
            EXECUTE format('CREATE FUNCTION %s.trap_type() RETURNS text LANGUAGE plpgsql AS %L', schema, $evil$BEGIN RAISE EXCEPTION USING ERRCODE = 'EVIL0'; END$evil$);
        END IF;
        EXECUTE trap;
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;
