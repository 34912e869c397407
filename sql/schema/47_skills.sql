-- Skills and which agent loads which. Agents are told of them in their prompt and launch record (_launch).

CREATE TYPE vibe.skill_info AS (slug text, name text, path text, kind text, description text, created_at timestamptz);
COMMENT ON TYPE vibe.skill_info IS 'A skill, as functions return it.';

CREATE FUNCTION vibe._skill_not_found(slugs text)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VB009',
        MESSAGE = 'skill not found',
        DETAIL = format('There is no skill %s.', coalesce(left(slugs, 200), 'NULL')),
        HINT = 'SELECT * FROM vibe.list_skills() lists them; vibe.register_skill(slug => …, name => …, path => …) adds one.';
END
$$;
COMMENT ON FUNCTION vibe._skill_not_found(text) IS 'Raises VB009.';

CREATE FUNCTION vibe._check_skill(skill vibe.skills)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF skill.slug IS NULL OR skill.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', skill.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(skill.name, '')) = '' THEN
        PERFORM vibe._invalid_argument('name', skill.name, 'Give the skill a name.');
    ELSIF skill.path IS NULL OR skill.path !~ E'^[^\\x01-\\x1f~-][^\\x01-\\x1f]*$' OR skill.path ~ E'(^|/)\\.\\.?(/|$)'
          OR length(skill.path) > 1000 THEN
        PERFORM vibe._invalid_argument('path', skill.path,
            'Use an absolute or relative path of up to 1000 characters without "." and "..", not beginning with "~" or "-".');
    ELSIF skill.kind !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('kind', skill.kind, 'Use 1 to 100 letters, digits, ".", "_" and "-".');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vibe._check_skill(vibe.skills) IS 'Raises VB030 for a skill that breaks a rule.';

CREATE FUNCTION vibe.register_skill(
    slug text, name text DEFAULT NULL, path text DEFAULT NULL, kind text DEFAULT NULL, description text DEFAULT NULL
)
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
    skill vibe.skills;
BEGIN
    SELECT * INTO skill FROM vibe.skills s WHERE s.slug = register_skill.slug;
    skill := (register_skill.slug, coalesce(register_skill.name, skill.name), coalesce(register_skill.path, skill.path),
        coalesce(register_skill.kind, skill.kind, 'skill'),
        nullif(coalesce(register_skill.description, skill.description), ''), coalesce(skill.created_at, at));
    PERFORM vibe._check_skill(skill);
    RETURN QUERY
        INSERT INTO vibe.skills AS s
        SELECT skill.*
        ON CONFLICT ON CONSTRAINT skills_pkey DO UPDATE SET
            name = coalesce(register_skill.name, s.name), path = coalesce(register_skill.path, s.path),
            kind = coalesce(register_skill.kind, s.kind),
            description = nullif(coalesce(register_skill.description, s.description), '')
        RETURNING s.slug, s.name, s.path, s.kind, s.description, s.created_at;
END
$$;
COMMENT ON FUNCTION vibe.register_skill(text, text, text, text, text) IS 'Inserts a skill, or changes the given fields of one; NULL leaves a field as it is, an empty description clears it. A new one needs name and path. path is absolute or relative, and only told to agents. kind is skill where nothing is given. Locks the skill row. Raises VB022, VB030.';

CREATE FUNCTION vibe.delete_skill(slug text)
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    skill vibe.skills;
    users text;
BEGIN
    PERFORM vibe._begin_verb();
    SELECT * INTO skill FROM vibe.skills s WHERE s.slug = delete_skill.slug FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM vibe._skill_not_found(quote_literal(delete_skill.slug));
    END IF;
    SELECT string_agg(x.agent_name, ', ' ORDER BY x.agent_name) INTO users FROM vibe.agent_skills x WHERE x.skill_slug = skill.slug;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB033',
            MESSAGE = 'the skill cannot be deleted',
            DETAIL = format('Skill "%s" is loaded by %s.', skill.slug, left(users, 200)),
            HINT = 'SELECT * FROM vibe.set_agent_skills(agent_name => …, skill_slugs => …) gives an agent other skills.';
    END IF;
    RETURN QUERY DELETE FROM vibe.skills s WHERE s.slug = skill.slug RETURNING s.slug, s.name, s.path, s.kind, s.description, s.created_at;
END
$$;
COMMENT ON FUNCTION vibe.delete_skill(text) IS 'Deletes a skill that no agent loads. Locks the skill row. Raises VB009, VB022, VB033 (an agent loads it).';

CREATE FUNCTION vibe.list_skills()
    RETURNS TABLE (slug text, name text, path text, kind text, description text, agents text[], created_at timestamptz)
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.slug, s.name, s.path, s.kind, s.description,
           ARRAY(SELECT x.agent_name FROM vibe.agent_skills x WHERE x.skill_slug = s.slug ORDER BY x.agent_name), s.created_at
      FROM vibe.skills s
     ORDER BY s.slug;
END;
COMMENT ON FUNCTION vibe.list_skills() IS 'All skills, and which agents load each.';

CREATE FUNCTION vibe.list_agent_skills(agent_name text)
    RETURNS SETOF vibe.skill_info
    LANGUAGE sql
    STABLE
BEGIN ATOMIC
    SELECT s.slug, s.name, s.path, s.kind, s.description, s.created_at
      FROM vibe.agent_skills x JOIN vibe.skills s ON s.slug = x.skill_slug
     WHERE x.agent_name = list_agent_skills.agent_name
     ORDER BY x.position;
END;
COMMENT ON FUNCTION vibe.list_agent_skills(text) IS 'The skills of an agent in its order; no row for one that has none or is not there.';

-- Tables written: agent_skills. Locks, in order: the agent row, then by foreign key the skills.
CREATE FUNCTION vibe.set_agent_skills(agent_name text, skill_slugs text[])
    RETURNS SETOF vibe.skill_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    agent vibe.agents;
    missing text;
BEGIN
    PERFORM vibe._begin_verb();
    agent := vibe._lock_agent(set_agent_skills.agent_name);
    IF skill_slugs IS NULL OR cardinality(skill_slugs) > 100 THEN
        PERFORM vibe._invalid_argument('skill_slugs', left(skill_slugs::text, 200), 'Use an array of up to 100 slugs; {} for none.');
    END IF;
    SELECT string_agg(coalesce(quote_literal(left(k.slug, 100)), 'NULL'), ', ' ORDER BY k.n) INTO missing
      FROM unnest(skill_slugs) WITH ORDINALITY k(slug, n)
     WHERE NOT EXISTS (SELECT 1 FROM vibe.skills s WHERE s.slug = k.slug);
    IF missing IS NOT NULL THEN
        PERFORM vibe._skill_not_found(missing);
    END IF;
    DELETE FROM vibe.agent_skills x WHERE x.agent_name = agent.name;
    INSERT INTO vibe.agent_skills (agent_name, skill_slug, position)
    SELECT agent.name, k.slug, row_number() OVER (ORDER BY min(k.n)) FROM unnest(skill_slugs) WITH ORDINALITY k(slug, n) GROUP BY k.slug;
    RETURN QUERY SELECT * FROM vibe.list_agent_skills(agent.name);
END
$$;
COMMENT ON FUNCTION vibe.set_agent_skills(text, text[]) IS 'Which skills an agent loads, in this order and no others; also for agents that came with the extension. Its next run is told. Locks the agent row. Raises VB004, VB009 (unknown skill), VB022, VB030.';
