BEGIN;
SELECT plan(10);

SELECT count(*) FROM unnest(ARRAY['a', 'b', 'c']) n, LATERAL vibe.register_service(n, 'email') \g /dev/null
SELECT throws_ok(call, 'VB030', NULL, call) FROM unnest(ARRAY[
    $$SELECT * FROM vibe.log_service_call('a', 'fine')$$,
    $$SELECT * FROM vibe.log_service_call('a', NULL)$$,
    $$SELECT * FROM vibe.log_service_call('a', 'failed', -1)$$,
    $$SELECT * FROM vibe.log_service_call('a', 'success', cost_usd => 'NaN')$$,
    $$SELECT * FROM vibe.log_service_call('a', 'failed', retry_after => '1 min')$$,
    $$SELECT * FROM vibe.log_service_call('a', 'rate_limited', retry_after => '-1 min')$$,
    $$SELECT * FROM vibe.log_service_call('a', 'rate_limited', retry_after => '1 year')$$]) call;
SELECT throws_ok($$SELECT * FROM vibe.log_service_call('no-such', 'failed')$$, 'VB070', NULL, 'a service that is not there');
SELECT throws_ok($$SELECT * FROM vibe.log_service_call('a', 'failed', run_id => 0)$$, 'VB006', NULL, 'a run that is not there');
SELECT throws_ok($$SELECT * FROM vibe.log_service_call('a', 'failed', campaign_id => 0)$$, 'VB002', NULL, 'a campaign that is not there');

SELECT * FROM finish();
ROLLBACK;
