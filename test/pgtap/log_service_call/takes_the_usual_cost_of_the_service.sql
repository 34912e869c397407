BEGIN;
SELECT plan(3);

SELECT vibe.register_service('a', 'email', cost_per_call_usd => 0.25) \g /dev/null
SELECT vibe.log_service_call('a', 'success', duration_ms => 1), vibe.log_service_call('a', 'success', cost_usd => 0.5) \g /dev/null
SELECT is((SELECT string_agg(cost_usd::text, ' ' ORDER BY id) FROM vibe.list_service_calls('a')), '0.25 0.5', 'unless the call says its own');
SELECT is((SELECT array_agg(id) FROM vibe.list_service_calls('a', max_rows => 1)), ARRAY[(SELECT max(id) FROM vibe.service_calls)], 'the log is read newest first');
SELECT is((SELECT count(*) FROM vibe.list_service_calls('a', after_id => (SELECT max(id) FROM vibe.service_calls))), 1::bigint, 'page by page');

SELECT * FROM finish();
ROLLBACK;
