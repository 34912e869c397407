BEGIN;
SELECT plan(5);

SELECT is(p.version || '|' || p.main_steps || '|' || p.branches, '1|3|2', 'version 1 with its steps')
  FROM vibe.create_pipeline('mine', 'Mine', t.definition(2, jsonb_build_object('convergence_step', 2,
      'parallel_branches', jsonb_build_array(t.branch('Image', 1, '{"deliverable": "heroImage"}'), t.branch('Posts', 0))))) p;
SELECT results_eq($$SELECT branch, step, agent_name, trigger_after_step, deliverable FROM vibe.pipeline_steps s
                      JOIN vibe.pipeline_versions v ON v.id = s.pipeline_version_id JOIN vibe.pipelines p ON p.id = v.pipeline_id
                     WHERE p.slug = 'mine' ORDER BY branch, step$$,
    $$VALUES ('', 0, NULL, NULL::int, NULL), ('', 1, 'agent-1', NULL, NULL), ('', 2, 'agent-2', NULL, NULL),
             ('Image', 0, 'agent-9', 1, 'heroImage'), ('Posts', 0, 'agent-9', 0, NULL)$$, 'as written');
SELECT is((SELECT v.convergence_step FROM vibe.pipeline_versions v JOIN vibe.pipelines p ON p.id = v.pipeline_id WHERE p.slug = 'mine'), 2);
SELECT cmp_ok((SELECT id FROM vibe.pipelines WHERE slug = 'mine'), '>=', 1000::bigint, 'keys below 1000 are for presets');
SELECT throws_ok($$SELECT * FROM vibe.create_pipeline('mine', 'Mine', t.definition(1))$$, 'VB032', NULL, 'the slug is taken');

SELECT * FROM finish();
ROLLBACK;
