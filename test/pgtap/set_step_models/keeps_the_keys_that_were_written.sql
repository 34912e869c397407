BEGIN;
SELECT plan(2);

SELECT id AS p FROM vibe.create_pipeline('camel', 'Camel', '{"mainSteps": [{"agent": "agent-1", "label": "One", "outputDir": "drafts"}, {"agent": "agent-2", "label": "Two"}],
    "parallelBranches": [{"agent": "agent-3", "label": "1", "triggerAfterStep": 0}]}') \gset
SELECT count(*) FROM vibe.set_step_models(:p, '{"1": "m"}') \g /dev/null
SELECT is(definition, '{"mainSteps": [{"agent": "agent-1", "label": "One", "outputDir": "drafts"}, {"agent": "agent-2", "label": "Two", "model": "m"}],
    "parallelBranches": [{"agent": "agent-3", "label": "1", "triggerAfterStep": 0}]}'::jsonb, 'a step''s number comes before a branch''s label') FROM vibe.get_pipeline(:p);
SELECT is(model, 'm') FROM vibe.current_pipelines c JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.version_id WHERE c.id = :p AND s.branch = '' AND s.step = 1;

SELECT * FROM finish();
ROLLBACK;
