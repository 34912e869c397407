-- Verbs about notifications: tell something, read the inbox, say what is wanted where.

CREATE TYPE vibe.notification_info AS (
    id bigint, at timestamptz, kind text, recipient text, project_id bigint, campaign_id bigint, task_id bigint, run_id bigint,
    message text, detail jsonb, read_at timestamptz);
COMMENT ON TYPE vibe.notification_info IS 'A notification, as functions return it.';

CREATE TYPE vibe.notification_rule_info AS (
    kind text, channel text, enabled boolean, collect_for interval, is_default boolean, description text);
COMMENT ON TYPE vibe.notification_rule_info IS 'Whether a kind of notification goes to a channel, as functions return it.';

CREATE FUNCTION vibe._check_kind(kind text)
    RETURNS text
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM vibe.notification_kinds k WHERE k.kind = _check_kind.kind) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB072',
            MESSAGE = 'notification kind not found',
            DETAIL = format('There is no kind %s.', coalesce(quote_literal(left(kind, 200)), 'NULL')),
            HINT = 'SELECT * FROM vibe.list_notification_rules() shows them; vibe.register_notification_kind(kind, description) adds one.';
    END IF;
    RETURN kind;
END
$$;
COMMENT ON FUNCTION vibe._check_kind(text) IS 'Raises VB072 for a kind that is not there.';

-- Tables written: notifications, deliveries. What it is about is filled in upwards: a task's campaign, a
-- campaign's project.
CREATE FUNCTION vibe.notify(
    kind text, message text, recipient text DEFAULT NULL, task_id bigint DEFAULT NULL, campaign_id bigint DEFAULT NULL,
    project_id bigint DEFAULT NULL, detail jsonb DEFAULT NULL, dedup_key text DEFAULT NULL
)
    RETURNS SETOF vibe.notification_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    campaign bigint := notify.campaign_id;
    project bigint := notify.project_id;
    new_id bigint;
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_kind(notify.kind);
    IF btrim(coalesce(notify.message, '')) = '' THEN
        PERFORM vibe._invalid_argument('message', notify.message, 'Say what is to be told.');
    ELSIF length(notify.recipient) > 200 THEN
        PERFORM vibe._invalid_argument('recipient', notify.recipient, 'Use at most 200 characters, or NULL for everyone.');
    ELSIF length(notify.dedup_key) > 200 THEN
        PERFORM vibe._invalid_argument('dedup_key', notify.dedup_key, 'Use at most 200 characters, or NULL.');
    END IF;
    IF notify.task_id IS NOT NULL THEN
        SELECT t.campaign_id, t.project_id INTO campaign, project FROM vibe.tasks t WHERE t.id = notify.task_id;
        IF NOT FOUND THEN
            PERFORM vibe._task_not_found(notify.task_id);
        END IF;
    ELSIF campaign IS NOT NULL THEN
        SELECT c.project_id INTO project FROM vibe.campaigns c WHERE c.id = campaign;
        IF NOT FOUND THEN
            PERFORM vibe._campaign_not_found(campaign);
        END IF;
    ELSIF project IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.projects p WHERE p.id = project) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB001',
            MESSAGE = 'project not found',
            DETAIL = format('There is no project with id %s.', project),
            HINT = 'SELECT * FROM vibe.projects lists them.';
    END IF;
    new_id := vibe._notify(notify.kind, notify.message, notify.detail, project, campaign, notify.task_id, NULL,
        notify.recipient, notify.dedup_key);
    RETURN QUERY
        SELECT n.id, n.at, n.kind, n.recipient, n.project_id, n.campaign_id, n.task_id, n.run_id, n.message, n.detail, n.read_at
          FROM vibe.notifications n WHERE n.id = new_id;
END
$$;
COMMENT ON FUNCTION vibe.notify(text, text, text, bigint, bigint, bigint, jsonb, text) IS 'Tells something to a recipient, or everyone (NULL): in the inbox and to every channel whose rule wants this kind, once the transaction commits. A message of more than 4000 characters is cut. No row comes back where nobody wants the kind, or where dedup_key was told in the last ten minutes. Raises VB001, VB002, VB003, VB022, VB030, VB072 (kind).';

CREATE FUNCTION vibe.list_notifications(
    recipient text DEFAULT NULL, unread_only boolean DEFAULT false, max_rows integer DEFAULT 100, after_id bigint DEFAULT NULL
)
    RETURNS SETOF vibe.notification_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT n.id, n.at, n.kind, n.recipient, n.project_id, n.campaign_id, n.task_id, n.run_id, n.message, n.detail, n.read_at
      FROM vibe.notifications n
     WHERE n.in_app
       AND (list_notifications.recipient IS NULL OR n.recipient IS NULL OR n.recipient = list_notifications.recipient)
       AND (list_notifications.unread_only IS NOT TRUE OR n.read_at IS NULL)
       AND (list_notifications.after_id IS NULL OR n.id < list_notifications.after_id)
     ORDER BY n.id DESC
     LIMIT greatest(coalesce(list_notifications.max_rows, 100), 0);
END;
COMMENT ON FUNCTION vibe.list_notifications(text, boolean, integer, bigint) IS 'The inbox, newest first: what is for a recipient or for everyone (without a recipient: all of it). The next page is after the last id of this one. Messages are plain text that may hold what agents wrote: escape them.';

-- Tables written: notifications. Locks: those notifications, ids ascending.
CREATE FUNCTION vibe.mark_notifications_read(ids bigint[] DEFAULT NULL, recipient text DEFAULT NULL)
    RETURNS TABLE (marked bigint)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- not "at": that is a column
    moment timestamptz := vibe._begin_verb();
    chosen bigint[];
BEGIN
    IF mark_notifications_read.ids IS NULL AND mark_notifications_read.recipient IS NULL THEN
        PERFORM vibe._invalid_argument('ids', NULL, 'Give the ids, or the recipient whose whole inbox was read.');
    END IF;
    chosen := ARRAY(
        SELECT n.id FROM vibe.notifications n
         WHERE n.read_at IS NULL AND n.in_app
           AND (mark_notifications_read.ids IS NULL OR n.id = ANY (mark_notifications_read.ids))
           AND (mark_notifications_read.recipient IS NULL OR n.recipient IS NULL OR n.recipient = mark_notifications_read.recipient)
         ORDER BY n.id FOR NO KEY UPDATE);
    UPDATE vibe.notifications n SET read_at = moment WHERE n.id = ANY (chosen);
    RETURN QUERY SELECT cardinality(chosen)::bigint;
END
$$;
COMMENT ON FUNCTION vibe.mark_notifications_read(bigint[], text) IS 'Marks notifications as read, by id or as a recipient''s whole inbox, and counts those that were new. One for everyone is read by whoever reads it first. Raises VB022, VB030.';

-- Tables written: notification_kinds.
CREATE FUNCTION vibe.register_notification_kind(kind text, description text, in_app boolean DEFAULT true)
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    IF register_notification_kind.kind IS NULL OR register_notification_kind.kind !~ '^[a-z0-9][a-z0-9_]{0,62}$' THEN
        PERFORM vibe._invalid_argument('kind', register_notification_kind.kind, 'Use 1 to 63 lower-case letters, digits and "_".');
    ELSIF btrim(coalesce(register_notification_kind.description, '')) = '' THEN
        PERFORM vibe._invalid_argument('description', register_notification_kind.description, 'Say when it is told.');
    ELSIF register_notification_kind.in_app IS NULL THEN
        PERFORM vibe._invalid_argument('in_app', NULL, 'Use true or false.');
    END IF;
    INSERT INTO vibe.notification_kinds AS k (kind, description, in_app)
    VALUES (register_notification_kind.kind, register_notification_kind.description, register_notification_kind.in_app)
    ON CONFLICT ON CONSTRAINT notification_kinds_pkey DO UPDATE SET description = excluded.description, in_app = excluded.in_app
    WHERE NOT k.is_preset;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a notification kind with this name came with the extension',
            DETAIL = format('The kind is "%s".', register_notification_kind.kind),
            HINT = format('SELECT * FROM vibe.set_notification_rule(%L, ''in_app'', true or false) says whether the inbox shows it.', register_notification_kind.kind);
    END IF;
    RETURN QUERY SELECT l.* FROM vibe.list_notification_rules() l WHERE l.kind = register_notification_kind.kind;
END
$$;
COMMENT ON FUNCTION vibe.register_notification_kind(text, text, boolean) IS 'Adds a kind of notification, or changes one of yours. One named like a kind of vibe.activities (campaign_paused, revision_requested, …) is told whenever that happens. Raises VB022, VB030, VB032 (it came with the extension).';

-- Tables written: notification_rules.
CREATE FUNCTION vibe.set_notification_rule(kind text, channel text, enabled boolean, collect_for interval DEFAULT NULL)
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM vibe._begin_verb();
    PERFORM vibe._check_kind(set_notification_rule.kind);
    IF set_notification_rule.channel IS NULL OR set_notification_rule.channel !~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' THEN
        PERFORM vibe._invalid_argument('channel', set_notification_rule.channel, 'Use in_app, or the name of a notifier.');
    ELSIF set_notification_rule.enabled IS NULL THEN
        PERFORM vibe._invalid_argument('enabled', NULL, 'Use true or false.');
    ELSIF NOT set_notification_rule.collect_for BETWEEN interval '0' AND interval '1 day' THEN
        PERFORM vibe._invalid_argument('collect_for', set_notification_rule.collect_for::text, 'Use 0 to 1 day.');
    END IF;
    INSERT INTO vibe.notification_rules AS r (kind, channel, enabled, collect_for)
    VALUES (set_notification_rule.kind, set_notification_rule.channel, set_notification_rule.enabled,
            coalesce(set_notification_rule.collect_for, '0'))
    ON CONFLICT ON CONSTRAINT notification_rules_pkey DO UPDATE SET
        enabled = excluded.enabled, collect_for = coalesce(set_notification_rule.collect_for, r.collect_for);
    -- Only at home anything is sent.
    PERFORM vibe._note_home() WHERE set_notification_rule.enabled AND set_notification_rule.channel <> 'in_app';
    RETURN QUERY
        SELECT l.* FROM vibe.list_notification_rules() l
         WHERE l.kind = set_notification_rule.kind AND l.channel = set_notification_rule.channel;
END
$$;
COMMENT ON FUNCTION vibe.set_notification_rule(text, text, boolean, interval) IS 'Whether a kind of notification goes to a channel from now on: in_app (the inbox), or a notifier such as telegram. collect_for lets a message wait for others of its kind and campaign. Raises VB022, VB030, VB072 (kind).';

CREATE FUNCTION vibe.list_notification_rules()
    RETURNS SETOF vibe.notification_rule_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT k.kind, 'in_app', k.in_app, interval '0', true, k.description
      FROM vibe.notification_kinds k
     WHERE NOT EXISTS (SELECT 1 FROM vibe.notification_rules r WHERE r.kind = k.kind AND r.channel = 'in_app')
    UNION ALL
    SELECT k.kind, r.channel, r.enabled, r.collect_for, false, k.description
      FROM vibe.notification_rules r
      JOIN vibe.notification_kinds k ON k.kind = r.kind
     ORDER BY 1, 2;
END;
COMMENT ON FUNCTION vibe.list_notification_rules() IS 'Every kind of notification with the channels it goes to, or would go to (enabled false); is_default: nobody set a rule for it yet.';
