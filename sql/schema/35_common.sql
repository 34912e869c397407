-- Small things that every verb needs: the check at its door, who is calling, the rows it works on, one line of
-- history, and the token that fences a run's writes.
--
-- A literal in a plpgsql body that has a backslash is written E'...': without the E what it means is up to the
-- caller's standard_conforming_strings.

CREATE FUNCTION vibe._begin_verb()
    RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Under REPEATABLE READ the last two tasks of a campaign would each see the other one unfinished.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB022',
            MESSAGE = 'state changes need isolation level READ COMMITTED',
            DETAIL = format('This transaction runs at %s.', upper(current_setting('transaction_isolation'))),
            HINT = 'Call it in a transaction of its own: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    RETURN vibe.clock();
END
$$;
COMMENT ON FUNCTION vibe._begin_verb() IS 'The door of every verb: returns the time it works at. Raises VB022 unless the transaction is READ COMMITTED.';

CREATE FUNCTION vibe._actor()
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(nullif(current_setting('role'), 'none'), session_user::text);
END;
COMMENT ON FUNCTION vibe._actor() IS 'Who calls, also behind SET ROLE and inside SECURITY DEFINER code.';

CREATE FUNCTION vibe._may(role_name text)
    RETURNS boolean
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT pg_has_role(vibe._actor()::name, role_name::name, 'USAGE');
END;
COMMENT ON FUNCTION vibe._may(text) IS 'Whether the caller has the rights of a role, such as vibe_operator; a superuser has all.';

CREATE FUNCTION vibe._require_operator(argument text)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT vibe._may('vibe_operator') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB060',
            MESSAGE = 'only an operator may do this',
            DETAIL = format('Role "%s" left argument "%s" out.', vibe._actor(), argument),
            HINT = format('Give the run''s own "%s", or call as a member of vibe_operator.', argument);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._require_operator(text) IS 'Raises VB060 for a caller who leaves out what only an operator may leave out.';

CREATE FUNCTION vibe._invalid_argument(argument text, given text, rule text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB030',
        MESSAGE = format('invalid value for argument "%s"', argument),
        DETAIL = format('Given was %s.', coalesce(quote_literal(left(given, 200)), 'NULL')),
        HINT = rule;
END
$$;
COMMENT ON FUNCTION vibe._invalid_argument(text, text, text) IS 'Raises VB030 for an argument, with its value in DETAIL and the rule in HINT.';

-- The only door to our settings.
CREATE FUNCTION vibe._setting_text(name text)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT current_setting('vibe_orchestrator.' || name);
END;
COMMENT ON FUNCTION vibe._setting_text(text) IS 'A setting of ours.';

CREATE FUNCTION vibe._setting(name text)
    RETURNS interval
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT vibe._setting_text(name)::interval;
END;
COMMENT ON FUNCTION vibe._setting(text) IS 'A setting of ours that is a duration.';

CREATE FUNCTION vibe._new_token()
    RETURNS text
    LANGUAGE sql
    VOLATILE
BEGIN ATOMIC
    -- Two version 4 UUIDs carry 244 random bits from the strong generator; the digest spreads them over 32 bytes.
    SELECT encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
END;
COMMENT ON FUNCTION vibe._new_token() IS 'A fencing token: 64 hexadecimal digits that nobody can guess.';

CREATE FUNCTION vibe._token_hash(token text)
    RETURNS bytea
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT sha256(convert_to(token, 'UTF8'));
END;
COMMENT ON FUNCTION vibe._token_hash(text) IS 'What is stored of a fencing token.';

CREATE FUNCTION vibe._priority_rank(priority text)
    RETURNS smallint
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT (pg_catalog.array_position(ARRAY['urgent', 'high', 'medium', 'low'], priority) - 1)::smallint;
END;
COMMENT ON FUNCTION vibe._priority_rank(text) IS 'Order of a priority in the queue: 0 urgent to 3 low.';

CREATE FUNCTION vibe._slug(title text)
    RETURNS text
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT pg_catalog.btrim(pg_catalog.left(pg_catalog.btrim(
        pg_catalog.regexp_replace(pg_catalog.lower(title COLLATE "C"), '[^a-z0-9]+', '-', 'g'), '-'), 80), '-');
END;
COMMENT ON FUNCTION vibe._slug(text) IS 'A title as one safe path element; empty where it has no ASCII letter or digit.';

CREATE FUNCTION vibe._wants(deliverables jsonb, deliverable text)
    RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN deliverable IS NULL OR deliverables IS NULL THEN true
        WHEN pg_catalog.jsonb_typeof(deliverables) = 'array'
            THEN deliverables OPERATOR(pg_catalog.?) deliverable
        ELSE coalesce(deliverables OPERATOR(pg_catalog.->) deliverable, 'false'::pg_catalog.jsonb)
            OPERATOR(pg_catalog.<>) ALL (ARRAY['false', 'null', '0']::pg_catalog.jsonb[])
    END;
END;
COMMENT ON FUNCTION vibe._wants(jsonb, text) IS 'Whether a deliverable is wanted; no list wants everything.';

CREATE FUNCTION vibe._record(
    kind text, message text, detail jsonb,
    project_id bigint, campaign_id bigint, task_id bigint DEFAULT NULL, also_to text DEFAULT NULL
)
    RETURNS bigint
    LANGUAGE plpgsql
    VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO vibe.activities (at, kind, actor, project_id, campaign_id, task_id, message, detail)
    VALUES (vibe.clock(), kind, vibe._actor(), project_id, nullif(campaign_id, 0), task_id, message,
            coalesce(detail, '{}'))
    RETURNING id INTO new_id;
    PERFORM vibe._notify(kind, message, detail, project_id, campaign_id, task_id, also_to => also_to);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION vibe._record(text, text, jsonb, bigint, bigint, bigint, text) IS 'One line of history, in the transaction of what it tells; also a notification where its kind is one, which goes to the channel also_to as well.';

CREATE FUNCTION vibe._task_not_found(task_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB003',
        MESSAGE = 'task not found',
        DETAIL = format('There is no task with id %s.', coalesce(task_id::text, 'NULL')),
        HINT = 'SELECT * FROM vibe.list_tasks() lists them.';
END
$$;
COMMENT ON FUNCTION vibe._task_not_found(bigint) IS 'Raises VB003.';

CREATE FUNCTION vibe._lock_task(task_id bigint)
    RETURNS vibe.tasks
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    task vibe.tasks;
BEGIN
    SELECT * INTO task FROM vibe.tasks t WHERE t.id = _lock_task.task_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._task_not_found(_lock_task.task_id);
    END IF;
    RETURN task;
END
$$;
COMMENT ON FUNCTION vibe._lock_task(bigint) IS 'The task, locked FOR NO KEY UPDATE: the first lock of every verb about one task. Raises VB003.';

CREATE FUNCTION vibe._agent_not_found(agent_name text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB004',
        MESSAGE = 'agent not found',
        DETAIL = format('There is no agent %s.', coalesce(quote_literal(left(agent_name, 200)), 'NULL')),
        HINT = 'SELECT * FROM vibe.current_agents lists them; vibe.register_agent(name) adds one.';
END
$$;
COMMENT ON FUNCTION vibe._agent_not_found(text) IS 'Raises VB004.';

CREATE FUNCTION vibe._campaign_not_found(campaign_id bigint)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB002',
        MESSAGE = 'campaign not found',
        DETAIL = format('There is no campaign with id %s.', coalesce(campaign_id::text, 'NULL')),
        HINT = 'SELECT * FROM vibe.list_campaigns() lists them.';
END
$$;
COMMENT ON FUNCTION vibe._campaign_not_found(bigint) IS 'Raises VB002.';

CREATE FUNCTION vibe._lock_campaign(campaign_id bigint)
    RETURNS vibe.campaigns
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    campaign vibe.campaigns;
BEGIN
    SELECT * INTO campaign FROM vibe.campaigns c WHERE c.id = _lock_campaign.campaign_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._campaign_not_found(_lock_campaign.campaign_id);
    END IF;
    RETURN campaign;
END
$$;
COMMENT ON FUNCTION vibe._lock_campaign(bigint) IS 'The campaign, locked FOR NO KEY UPDATE: the last lock of a verb. Raises VB002.';

CREATE FUNCTION vibe._illegal_campaign_change(campaign vibe.campaigns, verb text, next_call text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB020',
        MESSAGE = format('campaign %s cannot be %s', campaign.id, verb),
        DETAIL = format('Campaign "%s" is %s.', campaign.slug, campaign.status),
        HINT = next_call;
END
$$;
COMMENT ON FUNCTION vibe._illegal_campaign_change(vibe.campaigns, text, text) IS 'Raises VB020 for a campaign whose status does not allow the verb.';
