-- Verbs that set projects up. None of them touches work. What they return has a type of its own, so that a new
-- column of a table changes no caller.

CREATE TYPE vibe.project_info AS (
    id bigint, slug text, name text, description text, root_path text, created_at timestamptz);
COMMENT ON TYPE vibe.project_info IS 'A project, as functions return it.';

CREATE FUNCTION vibe.create_project(slug text, name text, description text DEFAULT NULL, root_path text DEFAULT NULL)
    RETURNS SETOF vibe.project_info
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := vibe._begin_verb();
BEGIN
    IF create_project.slug IS NULL OR create_project.slug !~ '^[a-z0-9][a-z0-9-]{0,99}$' THEN
        PERFORM vibe._invalid_argument('slug', create_project.slug, 'Use 1 to 100 lower-case letters, digits and hyphens.');
    ELSIF btrim(coalesce(create_project.name, '')) = '' THEN
        PERFORM vibe._invalid_argument('name', create_project.name, 'Give the project a name.');
    ELSIF create_project.root_path !~ E'^/[^\x01-\x1f]*$' OR create_project.root_path ~ '(^|/)[.][.]?(/|$)' THEN
        PERFORM vibe._invalid_argument('root_path', create_project.root_path,
            'Use an absolute path without "." and "..", or NULL to publish nothing.');
    END IF;
    RETURN QUERY
        INSERT INTO vibe.projects AS p (slug, name, description, root_path, created_at)
        VALUES (create_project.slug, create_project.name, create_project.description, create_project.root_path, at)
        ON CONFLICT ON CONSTRAINT projects_slug_key DO NOTHING
        RETURNING p.id, p.slug, p.name, p.description, p.root_path, p.created_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VB032',
            MESSAGE = 'a project with this slug exists already',
            DETAIL = format('The slug is "%s".', create_project.slug),
            HINT = 'SELECT * FROM vibe.projects shows it; choose another slug for a new one.';
    END IF;
END
$$;
COMMENT ON FUNCTION vibe.create_project(text, text, text, text) IS 'Creates a project. root_path is the absolute directory below which finished files are published, NULL for none. Raises VB030 (invalid argument), VB032 (slug taken).';
