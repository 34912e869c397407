BEGIN;
SELECT plan(1);

SELECT results_eq($$SELECT outcome, uses_attempt, then_step FROM vibe.outcomes ORDER BY outcome COLLATE "C"$$,
    $$VALUES ('auth', false, 'waits_for_person'), ('bad_result', true, 'retries'), ('blocked', false, 'waits_for_person'), ('budget', false, 'waits_for_person'),
             ('cancelled', false, 'waits_for_person'), ('done', false, 'advances'), ('exec_error', false, 'retries'), ('failed', true, 'retries'),
             ('killed', true, 'retries'), ('lost', false, 'retries_at_once'), ('rate_limited', false, 'retries'), ('revise', false, 'rewinds'),
             ('timeout_idle', true, 'retries'), ('timeout_start', true, 'retries'), ('timeout_total', true, 'retries')$$,
    'only failed, bad_result, killed and the timeouts use up attempts');

SELECT * FROM finish();
ROLLBACK;
