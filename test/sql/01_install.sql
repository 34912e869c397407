-- CREATE EXTENSION, what it brings, and that DROP EXTENSION leaves nothing.
\set SHOW_CONTEXT never

-- A schema of that name which somebody else made is not taken over, and nothing is left of the attempt.
CREATE SCHEMA vibe;
CREATE EXTENSION vibe_orchestrator;
SELECT count(*) AS objects FROM pg_class WHERE relnamespace = 'vibe'::regnamespace;
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'vibe_orchestrator';
DROP SCHEMA vibe;

-- Nor is another schema of one's own choice possible.
CREATE SCHEMA elsewhere;
CREATE EXTENSION vibe_orchestrator SCHEMA elsewhere;
DROP SCHEMA elsewhere;

-- A role that somebody can log in as is not taken for one of ours: VB061.
CREATE ROLE vibe_agent LOGIN;
CREATE EXTENSION vibe_orchestrator;
\echo :SQLSTATE
ALTER ROLE vibe_agent NOLOGIN;

CREATE TEMP TABLE before AS
    SELECT c.oid::regclass::text AS object FROM pg_class c WHERE c.relpersistence <> 't'
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p
    UNION ALL SELECT t.oid::regtype::text FROM pg_type t
    UNION ALL SELECT n.nspname FROM pg_namespace n;
CREATE EXTENSION vibe_orchestrator;
SELECT library = extension AS versions_match FROM vibe.version();

SELECT c.relname AS table_or_view, c.relkind AS kind FROM pg_class c
 WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relkind, c.relname COLLATE "C";
SELECT p.proname AS function, pg_get_function_arguments(p.oid) AS arguments FROM pg_proc p
 WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname !~ '^_' ORDER BY p.proname COLLATE "C";

-- What comes ready to use.
SELECT slug, count(*) FILTER (WHERE s.branch = '') AS main_steps, count(*) FILTER (WHERE s.branch <> '') AS branches, v.convergence_step AS converges_at
  FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id JOIN vibe.pipeline_steps s ON s.pipeline_version_id = v.id
 WHERE p.is_preset GROUP BY p.id, v.id ORDER BY p.id;
SELECT p.slug, s.step, s.label, s.agent_name, s.model, s.output_dir, s.trigger_after_step AS after, s.deliverable
  FROM vibe.pipelines p JOIN vibe.pipeline_versions v ON v.pipeline_id = p.id JOIN vibe.pipeline_steps s ON s.pipeline_version_id = v.id
 WHERE p.slug IN ('research-only', 'launch-package', 'audience-discovery') ORDER BY p.id, s.branch <> '', s.step, s.trigger_after_step, s.label COLLATE "C";
SELECT name, level, default_model, runner FROM vibe.current_agents ORDER BY name COLLATE "C";

-- Nothing is scheduled or started by an installation.
SELECT (SELECT count(*) FROM vibe.home) AS homes, (SELECT count(*) FROM vibe.runs) AS runs, (SELECT count(*) FROM vibe.activities) AS activities;

DROP EXTENSION vibe_orchestrator;
SELECT object FROM (
    SELECT c.oid::regclass::text AS object FROM pg_class c WHERE c.relpersistence <> 't'
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p
    UNION ALL SELECT t.oid::regtype::text FROM pg_type t WHERE t.typnamespace <> pg_my_temp_schema()
    UNION ALL SELECT n.nspname FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp'
) after EXCEPT SELECT object FROM before;
