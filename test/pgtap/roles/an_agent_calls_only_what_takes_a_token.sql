-- What an agent was talked into is refused by its rights: every function of its role needs the token of a run.
BEGIN;
SELECT plan(6);

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.prorettype <> 'trigger'::regtype
    AND has_function_privilege('vibe_agent', p.oid, 'EXECUTE') AND NOT coalesce('lock_token' = ANY (p.proargnames[1:p.pronargs]), false)$$, 'no function without a lock_token');
SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'), 2) AS campaign \gset
SELECT t.task(:campaign) AS task, t.task(:campaign, 2) AS other \gset
SELECT token FROM t.acquire(:task) \gset
CREATE ROLE vibe_test_agent IN ROLE vibe_agent;
SET LOCAL ROLE vibe_test_agent;
SELECT throws_ok(format('SELECT * FROM vibe.cancel_campaign(id => %s)', :campaign), '42501', NULL, 'it cancels no campaign');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, %L)', :other, 'agent-1', :'token'), 'VB011', NULL, 'completes no other task');
SELECT is(next_agent, NULL, 'does its own step') FROM vibe.complete_step(:task, 'agent-1', :'token', quality_score => 100);
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(task_id => %s)', :task), '42501', NULL, 'does not open the gate behind it');
RESET ROLE;
SELECT is(t.work(:task), '1 waiting approval', 'which holds, whatever score it gave itself');

SELECT * FROM finish();
ROLLBACK;
