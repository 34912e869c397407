BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(1), 3) AS campaign \gset
SELECT vibe.request_heartbeat('agent-2', 'look at {title}') \g /dev/null
CREATE TEMP TABLE claimed AS SELECT * FROM vibe._claim_runs('{default}', '{4}', 4);
SELECT is((SELECT count(*) || ' ' || bool_and(more) FROM claimed), '1 true', 'alone, and there is more');
SELECT is(run ->> 'kind' || ' ' || (run ->> 'agent') || ' ' || (run ? 'task_id'), 'heartbeat agent-2 false', 'no task') FROM claimed;
SELECT alike(run ->> 'prompt', '%agent-2%heartbeat%Note for this run: look at {title}%', 'the note is text') FROM claimed;
SELECT is((SELECT format('%s %s %s', agent, step, state) FROM vibe.now), 'agent-2 heartbeat launching', 'the view shows it');
SELECT is(run ->> 'prompt', (SELECT c.run ->> 'prompt' FROM claimed c), 'its agent can ask for the same') FROM (SELECT vibe.get_run_input(run_id, run ->> 'token') AS run FROM claimed) i;
SELECT throws_ok(format('SELECT vibe.get_run_input(%s, %L)', run_id, 'x'), 'VB011', NULL, 'with its token') FROM claimed;
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{3}', 3)), 3::bigint, 'then the tasks');
SELECT is((SELECT count(*) FROM vibe._live_runs(false)), 4::bigint, 'a new dispatcher adopts all of them');

SELECT * FROM finish();
ROLLBACK;
