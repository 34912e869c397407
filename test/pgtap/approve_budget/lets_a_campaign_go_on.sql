BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(1), 4) AS c \gset
SELECT vibe.set_budget(:c, 1), vibe.set_budget(:c, 0.5, per => 'run') \g /dev/null
CREATE TEMP TABLE first AS SELECT run FROM t.claim(2) run;
SELECT t.finish((SELECT min(run) FROM first), 'budget', '{"usage": {"cost_usd": 0.5}}') \g /dev/null
SELECT t.finish((SELECT max(run) FROM first), 'blocked', '{"usage": {"cost_usd": 0.5}}') \g /dev/null
SELECT task_id AS task FROM vibe.runs WHERE id = (SELECT min(run) FROM first) \gset
SELECT is((SELECT count(*)::int FROM t.claim(4)), 0, 'reached');
SELECT is(row(a.*)::text, '(1.5,1,0,1)', 'more is approved; what had ended for its budget is ready again') FROM vibe.approve_budget(campaign_id => :c, usd => 0.5) a;
SELECT is(t.work(:task) || ' ' || t.status(:task), '1 ready backlog', 'and not blocked');
SELECT is((SELECT count(*)::int FROM vibe.work WHERE waiting_for = 'person'), 1, 'who waits for something else still does');
SELECT is((SELECT actor || ' ' || (detail ->> 'usd') FROM vibe.activities WHERE kind = 'budget_approved' AND campaign_id = :c), current_user || ' 0.5', 'who approved it is told');
SELECT is((SELECT count(*)::int FROM t.claim(4)), 1, 'there is room for one');
SELECT t.finish(id, 'done', '{"usage": {"cost_usd": 0.5}}') FROM vibe.runs WHERE ended_at IS NULL \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(4)), 0, 'until it is reached again');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'budget_reached'), 2, 'which is told again');

SELECT * FROM finish();
ROLLBACK;
