BEGIN;
SELECT plan(2);

SELECT id AS pipeline FROM vibe.create_pipeline('camel', 'Camel', '{"mainSteps": [
    {"order": 0, "agent": null, "label": "Created"},
    {"order": 1, "agent": "agent-1", "label": "One", "outputDir": "drafts", "maxAttempts": 7, "timeout": "30 min"},
    {"order": 2, "agent": "agent-2", "label": "Two"}],
    "parallelBranches": [{"triggerAfterStep": 1, "agent": "agent-3", "label": "Side"}], "convergenceStep": 2, "onComplete": {"summary": true}}') \gset
SELECT is((SELECT convergence_step || on_complete::text FROM vibe.pipeline_versions WHERE pipeline_id = :pipeline), '2{"summary": true}', 'keys of the whole');
SELECT results_eq(format($$SELECT s.branch, s.step, s.output_dir, s.max_attempts, s.timeout, s.trigger_after_step
      FROM vibe.pipeline_versions v JOIN vibe.pipeline_steps s ON s.pipeline_version_id = v.id
     WHERE v.pipeline_id = %s ORDER BY s.branch, s.step$$, :'pipeline'),
    $$VALUES ('', 0, NULL, 3, NULL::interval, NULL::int), ('', 1, 'drafts', 7, '30 min', NULL), ('', 2, NULL, 3, NULL, NULL), ('Side', 0, NULL, 3, NULL, 1)$$,
    'keys of the steps');

SELECT * FROM finish();
ROLLBACK;
