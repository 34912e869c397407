BEGIN;
SELECT plan(3);

SELECT count(*) FROM vibe.register_agent('agent-1', prompt_template => '{title}|{unknown}|{keyword}|{Title}|{}|{step}{step_label}|{deliverable}|{output_file}') \g /dev/null
SELECT t.campaign(t.pipeline(1, '{}', '{"1": {"output_dir": "drafts"}}')) AS c \gset
SELECT run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'run'::jsonb ->> 'prompt', 'Test #1|{unknown}|-|{Title}|{}|1Step 1|-|drafts/task-1.md', 'unknown ones stay, empty ones become -');
SELECT is(vibe._render_prompt('', '{}'), '', 'an empty template');
SELECT is(vibe._render_prompt('{a}{a}{b}', '{"a": "{b}", "b": "x"}'), '{b}{b}x', 'fields side by side');

SELECT * FROM finish();
ROLLBACK;
