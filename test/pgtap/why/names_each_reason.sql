BEGIN;
SELECT plan(27);

CREATE FUNCTION pg_temp.why(task bigint, branch text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT code FROM vibe.why(task, branch) $$;
CREATE FUNCTION pg_temp.next_call(task bigint, branch text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT next_call FROM vibe.why(task, branch) $$;

-- The task has ended, or its campaign is not at work.
SELECT t.campaign(t.pipeline(1), 9) AS campaign \gset
SELECT t.task(:campaign) AS task \gset
SELECT is(pg_temp.why(:task), 'no_dispatcher', 'ready, but nobody would start it');
UPDATE vibe.campaigns SET status = 'planning', activated_at = NULL WHERE id = :campaign;
SELECT is(pg_temp.why(:task), 'campaign_planning', 'its campaign was not activated');
UPDATE vibe.campaigns SET status = 'active', activated_at = now() WHERE id = :campaign;
SELECT vibe.pause_campaign(:campaign) \g /dev/null
SELECT is(pg_temp.why(:task), 'campaign_paused', 'its campaign is paused');
SELECT is(pg_temp.next_call(:task), format('SELECT * FROM vibe.resume_campaign(id => %s);', :campaign), 'and what to call');
SELECT vibe.resume_campaign(:campaign) \g /dev/null
SELECT vibe.cancel_task(t.task(:campaign, 9)) \g /dev/null
SELECT is(pg_temp.why(t.task(:campaign, 9)), 'cancelled', 'it was cancelled');
SELECT t.done(t.task(:campaign, 8)) \g /dev/null
SELECT is(pg_temp.why(t.task(:campaign, 8)), 'completed', 'it is completed');

-- Somebody is at it.
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SELECT is(pg_temp.why(:task), 'locked', 'somebody holds it by hand');
SELECT vibe.fail_step(:run, :'token', 'failed', 'no luck') \g /dev/null
SELECT is(pg_temp.why(:task), 'back_off', 'it waits before it is tried again');
SELECT matches(reason, 'attempt 2: failed: no luck', 'and for what') FROM vibe.why(:task);
SELECT vibe.retry_step(:task) \g /dev/null
SELECT run_id AS run, token FROM t.acquire(:task) \gset
SELECT vibe.fail_step(:run, :'token', 'blocked', 'which one?') \g /dev/null
SELECT is(pg_temp.why(:task), 'blocked', 'it needs a person');
SELECT matches(reason, 'which one\?', 'and why') FROM vibe.why(:task);
SELECT vibe.retry_step(:task) \g /dev/null
SELECT t.claim(1) AS run \gset
SELECT task_id AS task FROM vibe.runs WHERE id = :run \gset
SELECT is(pg_temp.why(:task), 'running', 'an agent is at it');
UPDATE vibe.runs SET closed_at = claimed_at, outcome = 'lost' WHERE id = :run;
UPDATE vibe.work SET state = 'ready', run_id = NULL WHERE task_id = :task;
SELECT is(pg_temp.why(:task), 'previous_process_ending', 'the process of the last run still lives');
UPDATE vibe.runs SET ended_at = now() WHERE id = :run;

-- A gate, branches, no work.
SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}')) AS gated \gset
SELECT t.done(t.task(:gated)) \g /dev/null
SELECT is(pg_temp.why(t.task(:gated)), 'approval', 'a gate waits');
SELECT t.campaign(t.pipeline(2, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('Image', 1))))) AS branched \gset
SELECT t.done(t.task(:branched)) \g /dev/null
SELECT is(pg_temp.why(t.task(:branched)), 'branches', 'branches are not done');
SELECT is(pg_temp.next_call(t.task(:branched)), format($$SELECT * FROM vibe.why(task_id => %s, branch => 'Image');$$, t.task(:branched)), 'and where to look further');
SELECT is(pg_temp.why(t.task(:branched), 'Image'), 'no_dispatcher', 'a branch has reasons of its own');
SELECT vibe.cancel_branch(t.task(:branched), 'Image') \g /dev/null
SELECT is(pg_temp.why(t.task(:branched), 'Image'), 'branch_cancelled', 'unless it was cancelled');
DELETE FROM vibe.work WHERE task_id = t.task(:campaign, 7);
SELECT is(pg_temp.why(t.task(:campaign, 7)), 'orphaned', 'its work is gone');

-- No slot, a pause.
SELECT t.task(:campaign, 6) AS task \gset
UPDATE vibe.agents SET paused_at = now() WHERE name = 'agent-1';
SELECT is(pg_temp.why(:task), 'agent_paused', 'its agent is paused');
UPDATE vibe.agents SET paused_at = NULL, max_parallel = 1 WHERE name = 'agent-1';
SELECT count(*) FROM t.claim(1) \g /dev/null
SELECT is(pg_temp.why(:task), 'slot_of_agent', 'its agent has as many runs as it may');
UPDATE vibe.agents SET max_parallel = NULL WHERE name = 'agent-1';
UPDATE vibe.campaigns SET max_parallel = 1 WHERE id = :campaign;
SELECT count(*) FROM t.claim(9) \g /dev/null
SELECT is(pg_temp.why(:task), 'slot_of_campaign', 'its campaign has');
UPDATE vibe.campaigns SET max_parallel = NULL WHERE id = :campaign;
SELECT t.campaign(t.pipeline(1), 9) AS other \gset
SELECT count(*) FROM t.claim(9) \g /dev/null
SELECT is(pg_temp.why(t.task(:other, 9)), 'slot_of_worker', 'the database has');
UPDATE vibe.runs SET closed_at = now(), outcome = 'lost', ended_at = now() WHERE ended_at IS NULL;
UPDATE vibe.work SET state = 'ready', run_id = NULL WHERE state = 'held';

-- A copy.
UPDATE vibe.home SET identity = 'elsewhere';
SELECT is(pg_temp.why(:task), 'take_over_needed', 'the data has its home elsewhere');
SELECT is(pg_temp.next_call(:task), 'SELECT * FROM vibe.take_over();', 'and what to call');

SELECT throws_ok('SELECT * FROM vibe.why(0)', 'VB003', NULL, 'no such task');
SET LOCAL ROLE vibe_viewer;
SELECT is(code, 'take_over_needed', 'a viewer may ask') FROM vibe.why(:task);

SELECT * FROM finish();
ROLLBACK;
