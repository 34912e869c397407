BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1)) AS campaign \gset
SELECT t.claim() AS run \gset
UPDATE vibe.runs SET started_at = claimed_at WHERE id = :run;
SELECT t.finish(:run, 'lost', '{"session": "ses_1", "usage": {"input_tokens": 7, "output_tokens": 3}}') \g /dev/null
SELECT run_id AS run, run AS launch FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'launch'::jsonb ->> 'resume_session', 'ses_1', 'the next run goes on with the session');
SELECT is(:'launch'::jsonb -> 'resume_usage', '{"input_tokens": 7, "output_tokens": 3, "cache_read_tokens": 0, "cache_write_tokens": 0}', 'and knows what it has used');
UPDATE vibe.runs SET started_at = claimed_at WHERE id = :run;
SELECT t.finish(:run, 'lost', '{}') \g /dev/null
SELECT is(run ->> 'resume_session', 'ses_1', 'lost again without a word, it is still that session') FROM vibe._claim_runs('{default}', '{1}', 1);
SELECT is(vibe._launch(r, NULL) -> 'resume_usage' ->> 'input_tokens', '7', 'counted once') FROM vibe.runs r ORDER BY id DESC LIMIT 1;

SELECT * FROM finish();
ROLLBACK;
