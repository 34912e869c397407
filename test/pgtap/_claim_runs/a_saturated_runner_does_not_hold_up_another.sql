BEGIN;
SELECT plan(1);

INSERT INTO vibe.agents (name, runner, created_at) VALUES ('elsewhere', 'other', now());
SELECT t.campaign(t.pipeline(1, '{}', '{"1": {"agent": "elsewhere"}}'), 100) AS d, t.campaign(t.pipeline(1), 3) AS c \gset
SELECT is((SELECT count(*)::int FROM vibe._claim_runs('{default,other}', '{3,0}', 3)), 3);

SELECT * FROM finish();
ROLLBACK;
