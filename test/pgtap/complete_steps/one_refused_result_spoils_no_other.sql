BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2), 3) AS campaign \gset
CREATE TEMP TABLE got AS SELECT * FROM vibe.claim_runs('{agent-1}', 3);
CREATE TEMP TABLE answer AS SELECT a.* FROM vibe.complete_steps((
    SELECT jsonb_agg(jsonb_build_object('task_id', task_id, 'agent_name', agent_name, 'lock_token', lock_token, 'summary', 'done',
        'quality_score', CASE task_id WHEN t.task(:campaign, 2) THEN 900 ELSE 90 END) ORDER BY task_id DESC) FROM got)) a;
SELECT results_eq('SELECT completed, next_step, error_code FROM answer ORDER BY task_id', $$VALUES (true, 2, NULL), (false, NULL, 'VB030'), (true, 2, NULL)$$, 'each has its own answer');
SELECT is((SELECT count(*)::int FROM vibe.runs WHERE closed_at IS NULL), 1, 'the refused one still holds its step');
SELECT is((SELECT max(quality_score) FROM vibe.tasks), 90::numeric, 'scores are kept');
SELECT throws_ok($$SELECT vibe.complete_steps('{}')$$, 'VB030', NULL, 'not an array');
SELECT throws_ok($$SELECT vibe.complete_steps('[{"task_id": "x"}]')$$, 'VB030', NULL, 'not such objects');
SELECT is((SELECT error_code FROM vibe.complete_steps('[{"task_id": 0, "agent_name": "agent-1"}]')), 'VB003', 'an unknown task');

SELECT * FROM finish();
ROLLBACK;
