-- What the drivers find: a login that is an operator, one that becomes an operator for a transaction, two agents and
-- a pipeline of two steps. Everything else is theirs to do.
SET client_min_messages = warning;
CREATE EXTENSION vibe_orchestrator;
CREATE ROLE dashboard LOGIN;
GRANT vibe_operator TO dashboard;
CREATE ROLE backend LOGIN NOINHERIT;
GRANT vibe_operator TO backend;
SELECT FROM vibe.register_agent(name => 'writer', default_model => 'small');
SELECT FROM vibe.register_agent(name => 'editor');
SELECT FROM vibe.create_pipeline(slug => 'two', name => 'Two steps', definition => '{"main_steps": [
    {"agent": "writer", "label": "Write", "output_dir": "drafts"}, {"agent": "editor", "label": "Edit", "output_dir": "final"}]}');
