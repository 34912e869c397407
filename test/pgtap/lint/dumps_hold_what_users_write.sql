BEGIN;
SELECT plan(3);

SELECT set_eq($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r'$$,
    $$SELECT unnest(extconfig)::regclass::text FROM pg_extension WHERE extname = 'vibe_orchestrator' EXCEPT SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'S'
      UNION ALL VALUES ('vibe.outcomes'), ('vibe.sweep_state'), ('vibe.health_history'), ('vibe.run_marks')$$, 'every table, but for fixed words and what is this server''s own');
SELECT set_eq($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'S'$$,
    $$SELECT c.oid::regclass::text FROM pg_extension e, unnest(e.extconfig) o JOIN pg_class c ON c.oid = o WHERE e.extname = 'vibe_orchestrator' AND c.relkind = 'S'$$, 'every sequence');
SELECT is_empty($$SELECT 1 FROM vibe.pipeline_versions WHERE pipeline_id < 1000 AND id >= 1000$$, 'preset versions have keys that are left out');

SELECT * FROM finish();
ROLLBACK;
