BEGIN;
SELECT plan(10);

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 9) AS tight, t.campaign(:'pipeline', 9) AS wide \gset
SELECT vibe.set_budget(:tight, 1), vibe.set_budget(:tight, 0.3, per => 'run') \g /dev/null
CREATE FUNCTION pg_temp.live(campaign bigint) RETURNS integer LANGUAGE sql AS $$ SELECT count(*)::int FROM vibe.runs WHERE campaign_id = campaign AND ended_at IS NULL $$;
SELECT count(*) FROM t.claim(10) \g /dev/null
SELECT is(pg_temp.live(:tight), 3, 'three reserve 0.9 of 1');
SELECT is(pg_temp.live(:wide), 7, 'another campaign is not held up');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached'), 0, 'they may cost less yet');
SELECT t.finish((SELECT min(id) FROM vibe.runs WHERE campaign_id = :tight), 'done', '{"usage": {"cost_usd": 0.1}}') \g /dev/null
SELECT count(*) FROM t.claim(10) \g /dev/null
SELECT is(pg_temp.live(:tight), 3, 'one that did makes room');
SELECT count(t.finish(id, 'done', '{}')) FROM vibe.runs WHERE campaign_id = :tight AND ended_at IS NULL \g /dev/null
SELECT is((SELECT concat_ws(' ', spent_usd, reserved_usd) FROM vibe._campaign_budget(:tight)), '1 0', 'an unknown cost counts as what was reserved');
SELECT count(*) FROM t.claim(10) \g /dev/null
SELECT is(pg_temp.live(:tight), 0, 'reached');
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 10) c JOIN vibe.runs r ON r.id = c.run_id WHERE r.campaign_id = :tight), 0, 'also for workers elsewhere');
SELECT results_eq($$SELECT campaign_id, detail ->> 'ceiling', detail ->> 'spent_usd' FROM vibe.activities WHERE kind = 'budget_reached'$$, format($$VALUES (%s::bigint, 'campaign_budget %1$s', '1')$$, :tight), 'told once');
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM vibe.work WHERE campaign_id = :tight), 'ready', 'and not written into its work');
SELECT is(row(code, reason, next_call)::text, row('budget', format('The ceiling of campaign %s is 1 USD: 1 are spent, 0 reserved by runs that go on, and a run reserves 0.3.', :tight),
    format('SELECT * FROM vibe.approve_budget(campaign_id => %s, usd => …);', :tight))::text, 'why() tells') FROM vibe.why(t.task(:tight, 9));

SELECT * FROM finish();
ROLLBACK;
