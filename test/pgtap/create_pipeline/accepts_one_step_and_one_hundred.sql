BEGIN;
SELECT plan(2);

SELECT is(p.main_steps, 1::bigint, 'one step with an agent') FROM vibe.create_pipeline('one', 'One', '{"main_steps": [{"agent": "agent-1", "label": "Only"}]}') p;
SELECT is(p.main_steps, 101::bigint, 'a hundred and the start') FROM vibe.create_pipeline('many', 'Many', t.definition(100)) p;

SELECT * FROM finish();
ROLLBACK;
