-- Delivery: the outbox of 24_notifications.sql on its way out. A notifier is a runner whose name is the channel; its
-- run gets a batch of messages and answers for each: sent, retry or failed.
--
-- Bursts: notifications of one kind, campaign and recipient go out as one message, and after a run a channel rests
-- for a moment, in which the next ones gather. A message keeps its notifications, its id and its key from its first
-- attempt on, so that whoever gets it twice can tell.
--
-- A message without an answer may have arrived: it is sent once more, and never a third time.

CREATE FUNCTION vibe._delivery_limits(
    OUT messages_per_run integer, OUT notifications_per_message integer, OUT max_attempts integer, OUT rest interval,
    OUT back_off interval, OUT longest_back_off interval, OUT too_late_after interval
)
    RETURNS record
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT 20, 500, 8, interval '5 seconds', interval '30 seconds', interval '1 hour', interval '1 day';
END;
COMMENT ON FUNCTION vibe._delivery_limits() IS 'The numbers of delivery: messages of one run, notifications of one message, attempts of a message, the rest of a channel after a run (what comes meanwhile goes out together), the first and the longest back-off, and when a message is too old to be sent.';

CREATE FUNCTION vibe._delivery_back_off(attempts integer)
    RETURNS interval
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT least((vibe._delivery_limits()).longest_back_off,
                 (vibe._delivery_limits()).back_off * power(2, least(greatest(attempts, 1) - 1, 20)));
END;
COMMENT ON FUNCTION vibe._delivery_back_off(integer) IS 'How long a message, or a channel, waits after so many attempts without success.';

CREATE FUNCTION vibe._has_due(channel text, at timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN EXISTS (SELECT 1 FROM vibe.deliveries d
                    WHERE d.channel = _has_due.channel AND d.state = 'pending' AND d.next_attempt_at <= _has_due.at);
END
$$;
COMMENT ON FUNCTION vibe._has_due(text, timestamptz) IS 'Whether a channel has something to send now.';

-- Tables written: deliveries. What is about yesterday would only puzzle people; the inbox still shows it.
CREATE FUNCTION vibe._drop_late(channel text, at timestamptz)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE vibe.deliveries d
       SET state = 'dropped', next_attempt_at = NULL, error = concat_ws(': ', 'it could not be sent within a day', d.error)
      FROM vibe.notifications n
     WHERE d.channel = _drop_late.channel AND d.state = 'pending' AND d.next_attempt_at <= _drop_late.at
       AND n.id = d.notification_id AND n.at < _drop_late.at - (vibe._delivery_limits()).too_late_after;
    RETURN vibe._has_due(_drop_late.channel, _drop_late.at)::integer;
END
$$;
COMMENT ON FUNCTION vibe._drop_late(text, timestamptz) IS 'Drops what is due on a channel and too old to be sent; 1 if something is left to send, else 0.';

CREATE FUNCTION vibe._drop_deliveries(reason text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped bigint;
BEGIN
    UPDATE vibe.deliveries d SET state = 'dropped', next_attempt_at = NULL, error = reason WHERE d.state = 'pending';
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION vibe._drop_deliveries(text) IS 'Drops everything that is still to be sent.';

CREATE FUNCTION vibe._message_key(delivery vibe.deliveries, notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT coalesce(delivery.message_id::text,
        format('%s %s %s', notification.kind, coalesce(notification.campaign_id, 0), coalesce(notification.recipient, '')));
END;
COMMENT ON FUNCTION vibe._message_key(vibe.deliveries, vibe.notifications) IS 'What goes out together: the message it was part of before, else kind, campaign and recipient.';

-- Tables written: deliveries. What is new and not due yet comes along with what is due of its kind and campaign.
CREATE FUNCTION vibe._take_batch(channel text, run_id bigint, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    limits record := vibe._delivery_limits();
    taken bigint;
BEGIN
    WITH head AS (
        SELECT vibe._message_key(d.due, n) AS key
          FROM (SELECT p AS due FROM vibe.deliveries p
                 WHERE p.channel = _take_batch.channel AND p.state = 'pending' AND p.next_attempt_at <= at
                 ORDER BY p.next_attempt_at LIMIT 5000) d
          JOIN vibe.notifications n ON n.id = (d.due).notification_id
         GROUP BY 1 ORDER BY min(n.id) LIMIT limits.messages_per_run
    ), member AS (
        SELECT d.notification_id, min(d.notification_id) OVER (PARTITION BY h.key) AS first,
               row_number() OVER (PARTITION BY h.key ORDER BY d.notification_id) AS nth
          FROM vibe.deliveries d
          JOIN vibe.notifications n ON n.id = d.notification_id
          JOIN head h ON h.key = vibe._message_key(d, n)
         WHERE d.channel = _take_batch.channel AND d.state = 'pending'
    )
    UPDATE vibe.deliveries d
       SET run_id = _take_batch.run_id, attempts = d.attempts + 1, message_id = m.first, next_attempt_at = least(d.next_attempt_at, at)
      FROM member m
     WHERE d.channel = _take_batch.channel AND d.notification_id = m.notification_id AND m.nth <= limits.notifications_per_message;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN taken;
END
$$;
COMMENT ON FUNCTION vibe._take_batch(text, bigint, timestamptz) IS 'Gives what is due on a channel to a run, as messages, and counts the attempt.';

-- What the reader of a message outside can do about it: one call, to be typed where the inbox would have a button.
CREATE FUNCTION vibe._next_call(notification vibe.notifications)
    RETURNS text
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN notification.kind = 'approval_needed' AND notification.task_id IS NULL THEN
            'SELECT * FROM vibe.queue WHERE waits_for = ''approval'';'
        WHEN notification.kind = 'approval_needed' THEN
            format('SELECT * FROM vibe.approve_step(task_id => %s%s%s);', notification.task_id, ', run_id => ' || notification.run_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'provider_paused' AND notification.detail ->> 'until' = 'infinity' THEN
            format('SELECT * FROM vibe.resume_provider(%L);', notification.detail ->> 'provider')
        WHEN notification.kind = 'budget_reached' AND notification.campaign_id IS NOT NULL AND notification.task_id IS NULL THEN
            format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', notification.campaign_id)
        WHEN notification.kind = 'budget_reached' AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.approve_budget(task_id => %s, usd => …);', notification.task_id)
        WHEN notification.kind IN ('task_blocked', 'agent_crashed') AND notification.task_id IS NOT NULL THEN
            format('SELECT * FROM vibe.why(task_id => %s%s);', notification.task_id,
                CASE WHEN notification.detail ->> 'branch' <> '' THEN format(', branch => %L', notification.detail ->> 'branch') END)
        WHEN notification.kind = 'backlog_low' AND notification.campaign_id IS NOT NULL THEN
            format('SELECT * FROM vibe.generate_tasks(campaign_id => %s, how_many => …);', notification.campaign_id)
    END;
END;
COMMENT ON FUNCTION vibe._next_call(vibe.notifications) IS 'The call that answers a notification, NULL where none is asked for.';

-- One notification is its own sentence; several are a count and the first ten.
CREATE FUNCTION vibe._messages(channel text, run_id bigint)
    RETURNS jsonb
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        WITH line AS (
            SELECT d.message_id, d.attempts, n.*, vibe._next_call(n) AS call,
                   row_number() OVER (PARTITION BY d.message_id ORDER BY n.id) AS nth
              FROM vibe.deliveries d JOIN vibe.notifications n ON n.id = d.notification_id
             WHERE d.channel = _messages.channel AND d.run_id = _messages.run_id AND d.state = 'pending'
        ), message AS (
            SELECT l.message_id, max(l.attempts) AS attempt, min(l.kind) AS kind, min(l.recipient) AS recipient,
                   min(l.campaign_id) AS campaign_id, min(l.project_id) AS project_id, max(l.at) AS at, count(*) AS n,
                   CASE WHEN count(*) = 1 THEN min(l.task_id) END AS task_id, CASE WHEN count(*) = 1 THEN min(l.call) END AS call,
                   min(l.message) FILTER (WHERE l.nth = 1) AS only,
                   string_agg('- ' || left(l.message, 200) || coalesce(E'\n  ' || l.call, ''), E'\n' ORDER BY l.nth) FILTER (WHERE l.nth <= 10) AS lines
              FROM line l GROUP BY l.message_id
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'id', m.message_id::text, 'kind', m.kind, 'at', vibe._iso(m.at), 'count', m.n, 'attempt', m.attempt,
                   'key', left(encode(sha256(convert_to(concat_ws(' ', vibe._home_identity(), _messages.channel, m.message_id), 'UTF8')), 'hex'), 32),
                   'recipient', m.recipient, 'project_id', m.project_id, 'campaign_id', m.campaign_id, 'campaign', c.slug,
                   'task_id', m.task_id, 'call', m.call,
                   'text', CASE WHEN m.n = 1 THEN m.only || coalesce(E'\n\n' || m.call, '')
                                ELSE format(E'%s × %s%s\n%s', m.n, m.kind, coalesce(', campaign ' || c.slug, ''), m.lines)
                                     || CASE WHEN m.n > 10 THEN format(E'\n… and %s more', m.n - 10) ELSE '' END END)
                   ORDER BY m.attempt, m.message_id), '[]')
          FROM message m LEFT JOIN vibe.campaigns c ON c.id = m.campaign_id);
END
$$;
COMMENT ON FUNCTION vibe._messages(text, bigint) IS 'The messages that a run is to send: those that were tried least often first, so that one that is never taken keeps no other waiting; then by age.';

CREATE FUNCTION vibe._wait_time(value jsonb)
    RETURNS interval
    LANGUAGE sql
    IMMUTABLE
BEGIN ATOMIC
    SELECT make_interval(secs => least(s.seconds, 86400)::double precision)
      FROM (SELECT vibe._amount(value) AS seconds) s WHERE s.seconds IS NOT NULL;
END;
COMMENT ON FUNCTION vibe._wait_time(jsonb) IS 'A JSON number of seconds as an interval of a day at most; NULL where it is none.';

-- What a notifier answered. It is foreign data: whatever is no answer counts as none.
CREATE FUNCTION vibe._answers(record jsonb)
    RETURNS TABLE (message_id text, status text, retry_after interval, tried boolean, error text)
    LANGUAGE plpgsql
    STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT DISTINCT ON (1) a.value ->> 'id', a.value ->> 'status',
               vibe._wait_time(a.value -> 'retry_after_s'),
               a.value -> 'tried' IS DISTINCT FROM 'false', left(a.value ->> 'error', 1000)
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(record #> '{result,output,messages}') = 'array'
                                         THEN record #> '{result,output,messages}' ELSE '[]' END) WITH ORDINALITY a(value, nth)
         WHERE jsonb_typeof(a.value) = 'object'
         ORDER BY 1, a.nth DESC;
END
$$;
COMMENT ON FUNCTION vibe._answers(jsonb) IS 'The answers of a notifier in its exit record, one per message; the last one counts.';

-- Tables written: deliveries, chores, activities, notifications. A plain command's output is text, not
-- messages: its exit status answers for all. One that never ran, or says itself that it is to be tried later, has sent
-- nothing; after any other end without an answer nobody can know.
CREATE FUNCTION vibe._settle_batch(run vibe.runs, record jsonb, at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    limits record := vibe._delivery_limits();
    is_plain boolean := coalesce(record #> '{result,output}' ? 'text' AND NOT record #> '{result,output}' ? 'messages', false);
    by_status boolean := is_plain AND run.outcome = 'done';
    sent_none boolean := run.outcome IN ('rate_limited', 'auth') OR (is_plain AND run.outcome = 'failed')
        OR (run.outcome = 'exec_error' AND coalesce(record ->> 'stdout_tail', '') = '');
    wait interval := vibe._wait_time(record -> 'retry_after_s');
    sent bigint;
    put_off bigint;
    asked interval;
BEGIN
    WITH answer AS (
        SELECT d.notification_id, a.status, coalesce(a.retry_after, wait) AS retry_after, coalesce(a.tried, true) AS tried,
               left(coalesce(a.error, run.error, CASE WHEN NOT by_status THEN 'there was no answer' END), 1000) AS error,
               d.attempts - (NOT coalesce(a.tried, true))::integer AS attempts,
               d.doubts + (a.status IS NULL AND NOT by_status AND NOT sent_none)::integer AS doubts
          FROM vibe.deliveries d
          LEFT JOIN vibe._answers(record) a ON a.message_id = d.message_id::text AND a.status IN ('sent', 'retry', 'failed')
         WHERE d.run_id = run.id AND d.state = 'pending'
    ), verdict AS (
        SELECT a.*, CASE WHEN a.status = 'sent' OR (a.status IS NULL AND by_status) THEN 'sent'
                         WHEN a.status = 'failed' OR a.doubts >= 2 OR a.attempts >= limits.max_attempts THEN 'failed'
                         ELSE 'pending' END AS state
          FROM answer a
    ), settled AS (
        UPDATE vibe.deliveries d
           SET state = v.state, attempts = v.attempts, doubts = v.doubts,
               sent_at = CASE WHEN v.state = 'sent' THEN at END,
               next_attempt_at = CASE WHEN v.state = 'pending' THEN at + coalesce(v.retry_after,
                   CASE WHEN v.tried THEN vibe._delivery_back_off(v.attempts) ELSE limits.rest END) END,
               error = CASE WHEN v.state = 'sent' THEN NULL
                            WHEN v.state = 'failed' AND v.doubts >= 2 THEN concat_ws(': ', 'nobody can tell whether it arrived', v.error)
                            ELSE v.error END
          FROM verdict v
         WHERE d.run_id = run.id AND d.notification_id = v.notification_id AND d.state = 'pending'
        RETURNING d.state, v.retry_after
    )
    SELECT count(*) FILTER (WHERE s.state = 'sent'), count(*) FILTER (WHERE s.state = 'pending'), max(s.retry_after)
      INTO sent, put_off, asked FROM settled s;
    PERFORM vibe._rest_channel(run, sent > 0 OR (put_off = 0 AND run.outcome = 'done'), asked, at);
    RETURN sent;
END
$$;
COMMENT ON FUNCTION vibe._settle_batch(vibe.runs, jsonb, timestamptz) IS 'What becomes of the messages of a notifier''s run that has ended: sent, to be sent again, or given up. Returns how many notifications were sent.';

-- Tables written: chores, activities, notifications.
CREATE FUNCTION vibe._rest_channel(run vibe.runs, works boolean, asked interval, at timestamptz)
    RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    chore vibe.chores;
    limits record := vibe._delivery_limits();
BEGIN
    UPDATE vibe.chores c
       SET run_id = NULL, failures = CASE WHEN works THEN 0 ELSE least(c.failures + 1, 30000) END,
           ready_at = at + CASE WHEN works OR asked IS NOT NULL THEN greatest(least(coalesce(asked, limits.rest), limits.longest_back_off), limits.rest)
                                ELSE vibe._delivery_back_off(c.failures + 1) END
     WHERE c.run_id = run.id
    RETURNING c.* INTO chore;
    -- Once in each row of failures: people need not be told that the same channel is still down.
    IF chore.failures = 3 THEN
        PERFORM vibe._record('channel_failed', format('Notifications cannot be sent on channel "%s": %s', chore.channel,
                coalesce((SELECT max(d.error) FROM vibe.deliveries d WHERE d.run_id = run.id AND d.channel = chore.channel), 'there was no answer')),
            jsonb_build_object('channel', chore.channel, 'run_id', run.id, 'outcome', run.outcome), NULL, NULL);
    END IF;
    RETURN chore.ready_at;
END
$$;
COMMENT ON FUNCTION vibe._rest_channel(vibe.runs, boolean, interval, timestamptz) IS 'Lets a channel go after a run: it rests for a moment, for as long as it asked for (an hour at most), or, where nothing got out, for a back-off that doubles.';
