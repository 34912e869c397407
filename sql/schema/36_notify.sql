-- The one door to the inbox and the outbox, and the causes that call it. What it costs where nobody wants a kind
-- is one lookup by key.

CREATE FUNCTION vibe._outside_limits(
    OUT circuit_failures integer, OUT circuit_open_for interval, OUT service_calls_kept_for interval,
    OUT repeat_after interval
)
    RETURNS record
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT 5, interval '10 minutes', interval '30 days', interval '10 minutes';
END;
COMMENT ON FUNCTION vibe._outside_limits() IS 'The numbers of services and notifications: failures in a row that open a circuit, for how long, how long calls are kept; when a notification with the same dedup_key may come again.';

-- Tables written: notifications, deliveries. Never fails and never waits, whatever the rules say: what is too long
-- is cut, nothing is unique, and the same dedup_key twice from two transactions at once is told twice.
CREATE FUNCTION vibe._notify(
    kind text, message text, detail jsonb DEFAULT NULL, project_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    task_id bigint DEFAULT NULL, run_id bigint DEFAULT NULL, recipient text DEFAULT NULL, dedup_key text DEFAULT NULL,
    also_to text DEFAULT NULL
)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz;
    shown boolean;
    sent boolean;
    new_id bigint;
BEGIN
    SELECT coalesce((SELECT r.enabled FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel = 'in_app'), k.in_app),
           EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel <> 'in_app' AND r.enabled)
               OR _notify.also_to IS NOT NULL
      INTO shown, sent
      FROM vibe.notification_kinds k WHERE k.kind = _notify.kind;
    IF (shown OR sent) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    moment := vibe.clock();
    IF _notify.dedup_key IS NOT NULL AND EXISTS (SELECT 1 FROM vibe.notifications n
                WHERE n.dedup_key = left(_notify.dedup_key, 200) AND n.at > moment - (vibe._outside_limits()).repeat_after) THEN
        RETURN NULL;
    END IF;
    INSERT INTO vibe.notifications AS n (at, kind, recipient, project_id, campaign_id, task_id, run_id, message, detail, dedup_key, in_app)
    VALUES (moment, _notify.kind, _notify.recipient, _notify.project_id, nullif(_notify.campaign_id, 0), _notify.task_id, _notify.run_id,
            left(coalesce(_notify.message, ''), 4000), coalesce(_notify.detail, '{}'), left(_notify.dedup_key, 200), shown)
    RETURNING n.id INTO new_id;
    IF sent THEN
        INSERT INTO vibe.deliveries (notification_id, channel, next_attempt_at)
        SELECT new_id, r.channel, moment + r.collect_for FROM vibe.notification_rules r
         WHERE r.kind = _notify.kind AND r.channel <> 'in_app' AND r.enabled
        UNION ALL
        SELECT new_id, _notify.also_to, moment
         WHERE _notify.also_to IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = _notify.kind AND r.channel = _notify.also_to);
        PERFORM vibe._wake(false);
    END IF;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION vibe._notify(text, text, jsonb, bigint, bigint, bigint, bigint, text, text, text) IS 'Tells something: an inbox row where the kind, or a rule, wants it in_app, an outbox row per channel whose rule is enabled, and for also_to unless a rule speaks of it; nothing where nobody wants it, where the kind is unknown, or where dedup_key was told in the last ten minutes. Returns the notification''s id.';

CREATE FUNCTION vibe._tell_crash(task vibe.tasks, run vibe.runs, outcome text, error text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF outcome NOT IN ('killed', 'exec_error', 'lost') THEN
        RETURN NULL;
    END IF;
    -- What is wrong with an agent is wrong with all its runs: once in a while is enough.
    RETURN vibe._notify('agent_crashed', format('Agent "%s" at task "%s": %s, %s', run.agent_name, left(task.title, 200), outcome,
            coalesce(left(error, 1000), 'no message')),
        jsonb_build_object('agent_name', run.agent_name, 'outcome', outcome, 'branch', run.branch, 'step', run.step),
        task.project_id, task.campaign_id, task.id, run.id, dedup_key => format('agent_crashed %s %s', outcome, run.agent_name));
END
$$;
COMMENT ON FUNCTION vibe._tell_crash(vibe.tasks, vibe.runs, text, text) IS 'Tells that an agent crashed, if that is what this outcome means.';

CREATE FUNCTION vibe._tell_approval(task vibe.tasks, branch text, step integer, run_id bigint)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN vibe._notify('approval_needed', format('Step %s%s of task "%s" waits for approval.', step,
            CASE WHEN branch <> '' THEN format(' (%s)', branch) ELSE '' END, left(task.title, 200)),
        jsonb_build_object('branch', branch, 'step', step), task.project_id, task.campaign_id, task.id, run_id);
END
$$;
COMMENT ON FUNCTION vibe._tell_approval(vibe.tasks, text, integer, bigint) IS 'Tells that a human gate was reached; run_id is the run whose result waits, NULL for a gate without an agent.';

CREATE FUNCTION vibe._tell_completion()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vibe._notify('task_completed', format('Task "%s" was completed.', left(NEW.title, 200)),
        jsonb_build_object('quality_score', NEW.quality_score), NEW.project_id, NEW.campaign_id, NEW.id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vibe._tell_completion() IS 'Tells that a task was completed, whichever verb did it.';

-- UPDATE only, like every trigger here: a restore inserts tasks in any status.
CREATE TRIGGER completion_is_told
    AFTER UPDATE OF status ON vibe.tasks
    FOR EACH ROW WHEN (NEW.status = 'completed' AND OLD.status <> 'completed')
    EXECUTE FUNCTION vibe._tell_completion();

-- Tables written: notifications, deliveries (by their key).
CREATE FUNCTION vibe._prune_notifications(older_than interval, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM vibe.notifications n
     WHERE older_than > interval '0'
       AND n.id IN (SELECT o.id FROM vibe.notifications o
                     WHERE o.at < _prune_notifications.at - older_than
                     ORDER BY o.at LIMIT 10000 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION vibe._prune_notifications(interval, timestamptz) IS 'Deletes notifications that are older, and what was to be sent of them, 10000 at most; zero keeps all.';
