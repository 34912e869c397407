BEGIN;
SELECT plan(11);

SELECT t.now('2030-01-01 23:00Z') \g /dev/null
SET LOCAL timezone = 'Asia/Tokyo';
SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 3) AS one, t.campaign(:'pipeline', 3) AS two \gset
SELECT count(*) FROM vibe.set_run_budget(1) \g /dev/null
SELECT count(*) FROM vibe.set_daily_budget(3) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(6)), 3, 'three of 1 USD in all');
SELECT results_eq($$SELECT period, amount_usd, spent_usd, reserved_usd FROM vibe.list_budgets()$$, $$VALUES ('day', 3::numeric, 0::numeric, 3::numeric), ('run', 1, NULL, NULL)$$, 'reserved');
SELECT count(t.finish(id, 'done', '{"usage": {"cost_usd": 0.8}}')) FROM vibe.runs WHERE ended_at IS NULL \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(6)), 0, 'what is left is not enough for one more');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached'), 1, 'which is told');
SELECT is((SELECT count(*)::int FROM t.claim(6)), 0, 'and');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached'), 1, 'not told again');
SELECT is(code || ' ' || until, 'budget 2030-01-02 09:00:00+09', 'why() says so, and until when') FROM vibe.work w, vibe.why(w.task_id) WHERE w.state = 'ready' LIMIT 1;
SELECT is(vibe._next_due(), '2030-01-02 00:00Z', 'the dispatcher looks again at midnight UTC');
SELECT t.now('2030-01-02 00:00Z') \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(6)), 3, 'a new day');
SELECT count(t.finish(id, 'done', '{"usage": {"cost_usd": 1}}')) FROM vibe.runs WHERE ended_at IS NULL \g /dev/null
SELECT results_eq('SELECT day, cost_usd FROM vibe.cost_by_day', $$VALUES ('2030-01-01'::date, 2.4), ('2030-01-02', 3)$$, 'days are those of UTC');
SELECT count(t.campaign(:'pipeline', 1)) \g /dev/null
SELECT count(*) FROM t.claim(6) \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached'), 2, 'and reached again on another day');

SELECT * FROM finish();
ROLLBACK;
