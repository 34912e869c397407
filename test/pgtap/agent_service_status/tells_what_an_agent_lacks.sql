BEGIN;
SELECT plan(6);

SELECT vibe.set_agent_services('agent-1', required => '{email}', optional => '{cms}') \g /dev/null
SELECT is(status || ' ' || reasons::text, 'disabled {"required email: no active service","optional cms: no active service"}', 'without what it requires') FROM vibe.agent_service_status('agent-1');
SELECT vibe.register_service('a', 'email') \g /dev/null
SELECT is(status || ' ' || reasons::text, 'degraded {"optional cms: no active service"}', 'without what it can do without') FROM vibe.agent_service_status('agent-1');
SELECT vibe.register_service('b', 'cms') \g /dev/null
SELECT is(status || ' ' || reasons::text, 'enabled {}', 'with all of it') FROM vibe.agent_service_status('agent-1');
SELECT count(*) FROM generate_series(1, 5) n, LATERAL vibe.log_service_call('a', 'failed', n) \g /dev/null
SELECT is(status || ' ' || reasons::text, 'degraded {"required email: every service has an open circuit"}', 'with a service that does not answer') FROM vibe.agent_service_status('agent-1');
SELECT is(status, 'enabled', 'an agent that uses none needs none') FROM vibe.agent_service_status() WHERE agent = 'agent-2';
SELECT throws_ok($$SELECT * FROM vibe.agent_service_status('no-such')$$, 'VB004', NULL, 'an unknown agent');

SELECT * FROM finish();
ROLLBACK;
