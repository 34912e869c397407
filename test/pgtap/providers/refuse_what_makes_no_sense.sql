BEGIN;
SELECT plan(6);

SELECT throws_ok($$SELECT vibe.set_provider_limit('anthropic', 0)$$, 'VB030', NULL, 'a limit of 0');
SELECT throws_ok($$SELECT vibe.set_provider_limit('an thropic', 1)$$, 'VB030', NULL, 'a name that no runner file could have');
SELECT throws_ok($$SELECT vibe.set_provider_limit(NULL, 1)$$, 'VB030', NULL, 'no name');
SELECT throws_ok($$SELECT vibe.pause_provider('anthropic', now() - interval '1 minute')$$, 'VB030', NULL, 'a pause that is over');
SELECT throws_ok($$SELECT vibe.pause_provider('anthropic', NULL)$$, 'VB030', NULL, 'no end');
SELECT ok(NOT resumed, 'resuming what was not paused changes nothing') FROM vibe.resume_provider('anthropic');

SELECT * FROM finish();
ROLLBACK;
