BEGIN;
SELECT plan(7);

CREATE FUNCTION t.claims(provider text DEFAULT NULL, fallback text DEFAULT NULL) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(c.runner, ' ') FROM vibe._claim_runs('{default,second}', '{1,1}', 1, ARRAY[provider, NULL], ARRAY[fallback, NULL]) c $$;
SELECT vibe.request_heartbeat('agent-1') \g /dev/null
UPDATE vibe.agents SET paused_at = now() WHERE name = 'agent-1';
SELECT is(t.claims(), NULL, 'its agent is paused');
SELECT is((SELECT waits_for FROM vibe.queue), 'agent paused', 'which the queue says');
UPDATE vibe.agents SET paused_at = NULL, max_parallel = 1 WHERE name = 'agent-1';
SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT run_id AS run, lock_token AS token FROM vibe.claim_runs('{agent-1}') \gset
SELECT is(t.claims(), NULL, 'its agent works on as many runs as it may');
SELECT vibe.fail_step(:run, :'token', 'blocked') \g /dev/null
SELECT is((SELECT count(*) FROM vibe._claim_runs('{default}', '{0}', 1)), 0::bigint, 'no slot is free');
SELECT vibe.pause_provider('p') \g /dev/null
SELECT is(t.claims('p'), NULL, 'its provider is paused');
SELECT vibe.set_provider_limit('q', 1) \g /dev/null
SELECT is(t.claims('p', 'second'), 'second', 'unless another runner stands in');
SELECT is((SELECT kind FROM vibe.runs WHERE ended_at IS NULL), 'heartbeat', 'and does the heartbeat');

SELECT * FROM finish();
ROLLBACK;
