BEGIN;
SELECT plan(6);

SELECT throws_ok($$SELECT vibe.claim_runs('{}')$$, 'VB030', NULL, 'no agent');
SELECT throws_ok($$SELECT vibe.claim_runs(NULL)$$, 'VB030', NULL, 'NULL');
SELECT throws_ok($$SELECT vibe.claim_runs('{agent-1,nobody}')$$, 'VB004', NULL, 'an unknown agent');
SELECT throws_ok($$SELECT vibe.claim_runs('{agent-1}', 0)$$, 'VB030', NULL, 'none');
SELECT throws_ok($$SELECT vibe.claim_runs('{agent-1}', 1001)$$, 'VB030', NULL, 'too many');
SELECT throws_ok($$SELECT vibe.claim_runs('{agent-1}', NULL)$$, 'VB030', NULL, 'an unknown number');

SELECT * FROM finish();
ROLLBACK;
