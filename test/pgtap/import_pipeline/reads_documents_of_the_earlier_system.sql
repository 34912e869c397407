BEGIN;
SELECT plan(2);

SELECT is(main_steps || '|' || branches, '2|1', 'camelCase in a definition') FROM vibe.import_pipeline('{"slug": "a", "name": "A", "definition": {"mainSteps": [{"agent": null, "label": "Created"}, {"agent": "agent-1", "label": "One"}],
    "parallelBranches": [{"agent": "agent-2", "label": "B", "triggerAfterStep": 1}]}}');
SELECT is(main_steps || '|' || branches || '|' || slug, '2|1|b', 'and beside the name') FROM vibe.import_pipeline('{"id": 7, "slug": "a", "name": "A", "mainSteps": [{"agent": null, "label": "Created"}, {"agent": "agent-1", "label": "One"}],
    "parallelBranches": [{"agent": "agent-2", "label": "B", "triggerAfterStep": 1}], "onComplete": {"summary": true}}', new_slug => 'b');

SELECT * FROM finish();
ROLLBACK;
