\echo Use "CREATE EXTENSION vibe_orchestrator" to load this file. \quit

-- The schema belongs to the extension and must be new: a schema that somebody else made could hold functions
-- or tables of theirs, or an owner who may replace ours. Everything below is written with its schema, so
-- nothing is ever looked up in public.
CREATE SCHEMA vibe;
COMMENT ON SCHEMA vibe IS 'vibe_orchestrator: campaigns, pipelines, tasks, agents and the runs that carry them forward.';
