BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
SELECT t.finish(run, 'rate_limited', '{"pauses_provider": true, "retry_after_s": 60}') FROM t.claim(1) run \g /dev/null
SELECT is(t.work(t.task(:campaign)), '1 waiting back_off', 'no provider: a back-off');
SELECT t.finish(run_id, 'rate_limited', '{"retry_after_s": 60}') FROM vibe._claim_runs('{default}', '{1}', 1, '{anthropic}') \g /dev/null
SELECT is(t.work(t.task(:campaign, 2)), '1 waiting back_off', 'a limit that is not the provider''s: a back-off');
SELECT is((SELECT count(*)::int FROM vibe.list_providers()), 0, 'and nothing is paused');
SELECT is((SELECT max(attempts)::int FROM vibe.work), 0, 'no attempt is used');

SELECT * FROM finish();
ROLLBACK;
