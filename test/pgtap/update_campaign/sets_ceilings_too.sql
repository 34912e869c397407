BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
SELECT results_eq(format($$SELECT budget_usd, task_budget_usd, run_budget_usd FROM vibe.update_campaign(%s, '{"budget_usd": 5, "task_budget_usd": 2, "run_budget_usd": 0.5}')$$, :campaign),
    'VALUES (5::numeric, 2::numeric, 0.5)', 'of the campaign, its tasks and its runs');
SELECT count(*) FROM t.claim(1) \g /dev/null
SELECT is((SELECT reserved_usd FROM vibe.runs), 0.5, 'and its runs reserve accordingly');
SELECT is(task_budget_usd, NULL, 'null takes one away') FROM vibe.update_campaign(:campaign, '{"task_budget_usd": null}');
SELECT throws_ok(format($$SELECT vibe.update_campaign(%s, '{"run_budget_usd": 0}')$$, :campaign), 'VB030', NULL, 'nothing is no amount');

SELECT * FROM finish();
ROLLBACK;
