-- A hundred events in ten seconds, a dispatcher that looks all the time, and a notifier that needs a fifth of one.
BEGIN;
SELECT plan(2);

SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
CREATE FUNCTION t.burst() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    batch record;
    running bigint;
    since integer;
    sent integer := 0;
BEGIN
    FOR tenth IN 0 .. 300 LOOP
        PERFORM t.now((timestamptz '2030-01-01 12:00+00' + tenth * interval '0.1 second')::text);
        IF tenth < 100 THEN
            PERFORM vibe.notify('task_blocked', 'event ' || tenth);
        END IF;
        IF running IS NOT NULL AND tenth >= since + 2 THEN
            PERFORM t.answer(running, (SELECT jsonb_agg(jsonb_build_object('id', d.message_id::text, 'status', 'sent')) FROM vibe.deliveries d WHERE d.run_id = running));
            running := NULL;
        ELSIF running IS NULL THEN
            SELECT * INTO batch FROM t.deliver();
            running := batch.run;
            since := tenth;
            sent := sent + coalesce(jsonb_array_length(batch.messages), 0);
        END IF;
    END LOOP;
    RETURN sent;
END
$$;
SELECT cmp_ok(t.burst(), '<=', 3, 'at most three');
SELECT is((SELECT count(*) FROM vibe.deliveries WHERE state = 'sent'), 100::bigint, 'and all of it was sent');

SELECT * FROM finish();
ROLLBACK;
