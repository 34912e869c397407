BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT t.task(:c) AS task \gset
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT * FROM vibe.acquire_lock(task_id => :task, agent_name => 'agent-1') \gset
SELECT is(:'acquired'::boolean, true, 'acquired');
SELECT matches(:'lock_token'::text, '^[0-9a-f]{64}$', 'a token of 64 digits');
SELECT is((SELECT token_hash FROM vibe.runs WHERE id = :run_id), sha256(:'lock_token'::bytea), 'only its hash is stored');
SELECT is(:'lease_expires_at'::timestamptz, timestamptz '2030-01-01 12:05+00', 'a lease of lease_duration');
SELECT is(t.work(:task), '1 held', 'the step is held');

SELECT * FROM finish();
ROLLBACK;
