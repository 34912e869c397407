BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 4) AS c \gset
SELECT vibe.set_budget(:c, 1), vibe.set_budget(:c, 0.5, per => 'run') \g /dev/null
SELECT t.finish(run, 'exec_error') FROM t.claim(1) run \g /dev/null
SELECT is(spent_usd, 0::numeric, 'its program could not be started') FROM vibe._campaign_budget(:c);
CREATE TEMP TABLE claimed AS SELECT run FROM t.claim(2) run;
SELECT vibe.pause_campaign(:c) \g /dev/null
SELECT count(*) FROM vibe._unclaim_paused(ARRAY(SELECT run FROM claimed)) \g /dev/null
SELECT is(spent_usd + reserved_usd, 0::numeric, 'it was paused before its start') FROM vibe._campaign_budget(:c);
SELECT results_eq('SELECT runs::int, unknown_cost_runs::int, cost_usd FROM vibe.cost_by_campaign', 'VALUES (3, 0, NULL::numeric)', 'no cost is unknown, and none is zero');
SELECT vibe.resume_campaign(:c) \g /dev/null
SELECT t.claim(1) AS run \gset
UPDATE vibe.runs SET started_at = claimed_at, closed_at = claimed_at, ended_at = claimed_at, outcome = 'lost' WHERE id = :run;
SELECT is(spent_usd, 0.5, 'but for one that was lost') FROM vibe._campaign_budget(:c);

SELECT * FROM finish();
ROLLBACK;
