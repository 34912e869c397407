BEGIN;
SELECT plan(3);

SELECT is_empty($$SELECT p.slug, x.* FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id,
                 LATERAL vibe.validate_pipeline(v.definition) x WHERE p.is_preset$$, 'presets have no error and no warning');
SELECT is_empty($$SELECT * FROM vibe.validate_pipeline(t.definition(1))$$, 'one step');
SELECT is_empty($$SELECT * FROM vibe.validate_pipeline(t.definition(999))$$, 'as many as are allowed');

SELECT * FROM finish();
ROLLBACK;
