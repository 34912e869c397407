BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
INSERT INTO vibe.agents (name, runner, created_at) VALUES ('elsewhere', 'other', now());
SELECT t.campaign(t.pipeline(1), 4) AS c, t.campaign(t.pipeline(1, '{}', '{"1": {"agent": "elsewhere"}}'), 4) AS d \gset
SELECT is((SELECT string_agg(x.runner, ' ' ORDER BY x.runner) FROM vibe._claim_runs('{default,other}', '{2,1}', 10) x), 'default default other', 'two and one');
SELECT is((SELECT string_agg(x.runner, ' ' ORDER BY x.runner) FROM vibe._claim_runs('{default,other}', '{0,2}', 10) x), 'other other', 'none and two');
SELECT is((SELECT count(*)::int FROM vibe._claim_runs('{default,other}', '{5,5}', 1) x), 1, 'never more than max_runs');
SELECT is_empty($$SELECT * FROM vibe._claim_runs('{unknown}', '{5}', 5)$$, 'nothing for a runner without agents');
SELECT is_empty($$SELECT * FROM vibe._claim_runs('{}', '{}', 5)$$, 'nor for none');

SELECT * FROM finish();
ROLLBACK;
