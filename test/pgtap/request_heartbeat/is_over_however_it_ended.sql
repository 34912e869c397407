BEGIN;
SELECT plan(9);

CREATE FUNCTION t.beat(outcome text, extra jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    run bigint;
    said bigint := (SELECT count(*) FROM vibe.activities WHERE kind = 'heartbeat_failed');
BEGIN
    PERFORM vibe.request_heartbeat('agent-1');
    SELECT run_id INTO STRICT run FROM vibe._claim_runs('{default}', '{1}', 1, '{p}');
    PERFORM vibe._mark_started(ARRAY[run], '{1}', '{1}', 'boot', 'ns');
    PERFORM t.finish(run, outcome, extra), t.finish(run, outcome, extra);
    RETURN format('%s, %s left, %s told', t.outcome(run), (SELECT count(*) FROM vibe.chores),
        (SELECT count(*) FROM vibe.activities WHERE kind = 'heartbeat_failed') - said);
END
$$;
SELECT is(t.beat('done', '{"result": {"summary": "created nothing", "output": {"tasks": 0}}}'), 'done, 0 left, 0 told', 'done');
SELECT is((SELECT summary || output::text FROM vibe.runs), 'created nothing{"tasks": 0}', 'what it said is kept');
SELECT is(t.beat('failed', '{"error": "no key"}'), 'failed, 0 left, 1 told', 'failed');
SELECT is(t.beat('killed'), 'killed, 0 left, 1 told', 'killed');
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'agent_crashed'), 1::bigint, 'a crash is told');
SELECT is(t.beat('lost'), 'lost, 0 left, 1 told', 'lost');
SELECT is(t.beat('bad_result', '{"result": {"output": []}}'), 'bad_result, 0 left, 1 told', 'nonsense');
SELECT is(t.beat('rate_limited', '{"pauses_provider": true}'), 'rate_limited, 1 left, 0 told', 'a limit of its provider is not its end');
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{1}', 1, '{p}')), 0::bigint, 'it waits until that is over');

SELECT * FROM finish();
ROLLBACK;
