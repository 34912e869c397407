BEGIN;
SELECT plan(6);

SELECT vibe.set_notification_rule('task_blocked', 'telegram', true) \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe.notify('task_blocked', 'event') \g /dev/null
-- Looks every second; returns the seconds between the attempts.
CREATE FUNCTION t.attempts(outcome text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    run bigint;
    last integer := 0;
    said text := '';
BEGIN
    FOR second IN 0 .. 5000 LOOP
        PERFORM t.now((timestamptz '2030-01-01 12:00+00' + second * interval '1 second')::text);
        SELECT d.run INTO run FROM t.deliver() d;
        IF run IS NOT NULL THEN
            said := concat_ws(' ', said, second - last);
            last := second;
            PERFORM t.finish(run, outcome);
        END IF;
    END LOOP;
    RETURN said;
END
$$;
SELECT is(btrim(t.attempts('exec_error')), '0 30 60 120 240 480 960 1920', 'each after a longer wait');
SELECT is(t.outbox(), 'failed 8 0', 'then it is given up');
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'channel_failed'), 1::bigint, 'a person was told once');
SELECT is((SELECT failures FROM vibe.chores), 8::smallint, 'the channel is known to be down');
SELECT t.now('2030-01-02 12:00+00') \g /dev/null
SELECT vibe.notify('task_blocked', 'another') \g /dev/null
SELECT run, messages FROM t.deliver() \gset
SELECT t.answer(:run, jsonb_build_array(jsonb_build_object('id', :'messages'::jsonb #> '{0,id}', 'status', 'sent'))) \g /dev/null
SELECT is((SELECT failures FROM vibe.chores), 0::smallint, 'until something gets out');
SELECT is((SELECT ready_at - vibe.clock() FROM vibe.chores), interval '5 seconds', 'and then it rests for a moment only');

SELECT * FROM finish();
ROLLBACK;
