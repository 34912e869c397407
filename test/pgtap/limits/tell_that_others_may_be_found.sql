BEGIN;
SELECT plan(4);

-- A campaign of one whose work all stands before the others'.
SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 3) AS tight \gset
UPDATE vibe.campaigns SET max_parallel = 1 WHERE id = :tight;
UPDATE vibe.work SET priority = 0 WHERE campaign_id = :tight;
UPDATE vibe.agents SET max_parallel = 2 WHERE name = 'agent-1';
SELECT t.campaign(:'pipeline', 3) AS other \gset
SELECT results_eq($$SELECT (run ->> 'campaign_id')::bigint, more FROM vibe._claim_runs('{default}', '{3}', 3)$$, format('VALUES (%s::bigint, true), (%s, true)', :tight, :other), 'what the limits allow, and that some was left');
SELECT is_empty($$SELECT * FROM vibe._claim_runs('{default}', '{3}', 3)$$, 'nothing is left that may');
UPDATE vibe.agents SET max_parallel = NULL WHERE name = 'agent-1';
SELECT results_eq($$SELECT (run ->> 'campaign_id')::bigint, more FROM vibe._claim_runs('{default}', '{1}', 1)$$, format('VALUES (%s::bigint, false)', :other), 'without the limit: the other campaign''s');
UPDATE vibe.campaigns SET max_parallel = NULL WHERE id = :tight;
SELECT is((SELECT count(*)::int FROM t.claim(9)), 3, 'and the rest');

SELECT * FROM finish();
ROLLBACK;
