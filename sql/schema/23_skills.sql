-- Skills: folders or files that agents are told to read; which agent loads which; and when an agent that runs
-- elsewhere last said that it lives.

CREATE TABLE vibe.skills (
    slug text PRIMARY KEY,
    name text NOT NULL,
    path text NOT NULL,
    kind text NOT NULL DEFAULT 'skill',
    description text,
    created_at timestamptz NOT NULL,
    CONSTRAINT slug_is_one_safe_path_element CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,99}$'),
    CONSTRAINT name_is_not_blank CHECK (btrim(name) <> ''),
    CONSTRAINT path_is_plain CHECK (path ~ '^[^\x01-\x1f~-][^\x01-\x1f]*$' AND path !~ '(^|/)\.\.?(/|$)' AND length(path) <= 1000),
    CONSTRAINT kind_is_one_plain_word CHECK (kind ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$')
);
COMMENT ON TABLE vibe.skills IS 'Skills that agents may load.';
COMMENT ON COLUMN vibe.skills.slug IS 'Key, as agents'' lists name it.';
COMMENT ON COLUMN vibe.skills.name IS 'Name for people.';
COMMENT ON COLUMN vibe.skills.path IS 'Where it is: absolute, or relative to where the agent looks for skills. Only told to agents.';
COMMENT ON COLUMN vibe.skills.kind IS 'What it is: skill, or a word of yours.';
COMMENT ON COLUMN vibe.skills.description IS 'What it is good for.';
COMMENT ON COLUMN vibe.skills.created_at IS 'When it was registered.';

CREATE TABLE vibe.agent_skills (
    agent_name text NOT NULL REFERENCES vibe.agents ON DELETE CASCADE,
    skill_slug text NOT NULL REFERENCES vibe.skills,
    position integer NOT NULL,
    PRIMARY KEY (agent_name, skill_slug),
    CONSTRAINT position_is_positive CHECK (position > 0)
);
COMMENT ON TABLE vibe.agent_skills IS 'Which agent loads which skills, also for agents that came with the extension.';
COMMENT ON COLUMN vibe.agent_skills.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_skills.skill_slug IS 'The skill.';
COMMENT ON COLUMN vibe.agent_skills.position IS 'Its place in the agent''s list, from 1.';

-- Apart from vibe.agents, whose rows the claim reads: what is written again and again stays out of their way.
CREATE TABLE vibe.agent_heartbeats (
    agent_name text PRIMARY KEY REFERENCES vibe.agents ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE vibe.agent_heartbeats IS 'When agents that are started elsewhere last said that they live.';
COMMENT ON COLUMN vibe.agent_heartbeats.agent_name IS 'The agent.';
COMMENT ON COLUMN vibe.agent_heartbeats.seen_at IS 'When agent_heartbeat() was last noted.';

SELECT pg_catalog.pg_extension_config_dump('vibe.skills', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_skills', '');
SELECT pg_catalog.pg_extension_config_dump('vibe.agent_heartbeats', '');
