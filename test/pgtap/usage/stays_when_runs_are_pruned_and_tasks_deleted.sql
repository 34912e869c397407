BEGIN;
SELECT plan(14);

SELECT t.now('2030-01-01 12:00Z') \g /dev/null
SELECT t.campaign(t.pipeline(2), 3) AS c \gset
SELECT vibe.set_budget(:c, 100), vibe.set_budget(:c, 10, per => 'task'), vibe.set_budget(:c, 1, per => 'run') \g /dev/null
SELECT count(t.finish(run, 'done', '{"usage": {"input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25}}')) FROM t.claim(3) run \g /dev/null
SELECT count(t.finish(run, 'done')) FROM t.claim(2) run \g /dev/null
CREATE FUNCTION pg_temp.sums() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', c.runs, c.unknown_cost_runs, c.input_tokens, c.output_tokens, trim_scale(c.cost_usd), b.spent_usd, trim_scale(p.cost_usd))
      FROM vibe.cost_by_campaign c, vibe._campaign_budget(c.campaign_id) b, vibe.campaign_progress(c.campaign_id) p $$;
SELECT is(pg_temp.sums(), '5 2 30 15 0.75 2.75 0.75', 'sums of what ended');
SELECT is(vibe._merge_usage(2), 2::bigint, 'some are merged');
SELECT is(pg_temp.sums(), '5 2 30 15 0.75 2.75 0.75', 'no sum changes');
SELECT is(vibe._fold_and_prune_runs('1 h'), 0::bigint, 'nothing is old enough');
SELECT is((SELECT count(*)::int FROM vibe.usage_entries), 0, 'but all is merged');
SELECT t.now('2030-01-01 14:00Z') \g /dev/null
SELECT is(vibe._fold_and_prune_runs('1 h', 1), 2::bigint, 'one run is looked at, all of its task go');
SELECT is(vibe._fold_and_prune_runs('1 h', 1), 2::bigint, 'then those of the next task');
SELECT is(vibe._fold_and_prune_runs('1 h', 1), 0::bigint, 'and nothing of an open task');
SELECT is((SELECT runs_looked_up_to FROM vibe.sweep_state), (SELECT min(id) FROM vibe.runs), 'which is passed by');
SELECT is(vibe._fold_and_prune_runs('1 h', 1), 0::bigint, 'until there is no other');
SELECT is((SELECT runs_looked_up_to FROM vibe.sweep_state), 0::bigint, 'and it begins anew');
SELECT is(pg_temp.sums(), '5 2 30 15 0.75 2.75 0.75', 'no sum changes');
SELECT is((SELECT string_agg(c.spent_usd::float8::text, ' ' ORDER BY t.number) FROM vibe.tasks t, vibe._task_ceilings(ARRAY[t.id]) c), '1.25 1.25 0.25', 'not of a task either');
DELETE FROM vibe.tasks WHERE campaign_id = :c;
SELECT is((SELECT concat_ws(' ', runs, trim_scale(cost_usd)) FROM vibe.cost_by_campaign), '5 0.75', 'nor when tasks are deleted');

SELECT * FROM finish();
ROLLBACK;
