BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
CREATE FUNCTION pg_temp.now_set() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', budget_usd, task_budget_usd, run_budget_usd) FROM vibe.campaigns ORDER BY id DESC LIMIT 1 $$;
SELECT is(row(b.*)::text, format('(%s,3,,,0,0)', :c), 'per campaign where nothing else is said') FROM vibe.set_budget(:c, 3) b;
SELECT count(*) FROM vibe.set_budget(:c, 2, per => 'task') \g /dev/null
SELECT count(*) FROM vibe.set_budget(:c, 1, per => 'run') \g /dev/null
SELECT is(pg_temp.now_set(), '3 2 1', 'the others stay');
SELECT count(*) FROM vibe.set_budget(:c, NULL, per => 'task') \g /dev/null
SELECT is(pg_temp.now_set(), '3 1', 'NULL removes one');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_set' AND campaign_id = :c AND actor = current_user), 4, 'who did it is told');
SELECT t.finish(run, 'done', '{"usage": {"cost_usd": 0.9}}') FROM t.claim(1) run \g /dev/null
SELECT is(spent_usd, 0.9, 'what was spent stays') FROM vibe.set_budget(:c, 0.5);
SELECT is((SELECT count(*)::int FROM t.claim(2)), 0, 'below that nothing more starts');
SELECT count(*) FROM vibe.set_budget(:c, NULL) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(2)), 1, 'without a ceiling it does');

SELECT * FROM finish();
ROLLBACK;
