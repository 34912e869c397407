BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT vibe.set_budget(:c, 1), vibe.set_budget(:c, 0.5, per => 'run') \g /dev/null
SELECT t.claim(1) AS run \gset
SELECT t.finish(:run, 'budget', '{"error": "spent 0.6 USD; its budget was 0.5", "usage": {"cost_usd": 0.6}}') \g /dev/null
SELECT is((SELECT detail - 'run_id' FROM vibe.activities WHERE kind = 'budget_overrun'), '{"cost_usd": 0.6, "reserved_usd": 0.5}', 'with both amounts');
SELECT is(t.work((SELECT task_id FROM vibe.runs WHERE id = :run)), '1 waiting person', 'its step waits for a person');
SELECT is((SELECT count(*)::int FROM t.claim(2)), 0, 'what it cost counts, all of it');
SELECT is(next_call, format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', :c), 'why() says how it goes on') FROM vibe.runs r, vibe.why(r.task_id) WHERE r.id = :run;

SELECT * FROM finish();
ROLLBACK;
