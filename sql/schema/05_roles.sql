-- The four roles. They belong to the whole server and outlive the extension, so they are made only where absent.
-- One that is there already is taken only if it is as weak as ours would be: whoever can log in as it, or whatever
-- else it may do, would otherwise come by rights in this schema, or lend its own to them. Where the caller may make no
-- roles, they have to be there, the second a member of the first, the third of the second.
DO $roles$
DECLARE
    wanted text;
    stronger text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vibe_viewer', 'vibe_operator', 'vibe_admin', 'vibe_agent'] LOOP
        SELECT r.rolname INTO stronger FROM pg_catalog.pg_roles r
         WHERE r.rolname = wanted
           AND (r.rolsuper OR r.rolcanlogin OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls);
        IF FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB061',
                MESSAGE = pg_catalog.format('role "%s" exists and is more than a group of rights', wanted),
                DETAIL = 'It is a superuser, can log in, or may create roles or databases, replicate, or bypass row security.',
                HINT = pg_catalog.format('ALTER ROLE %s NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS; or rename it.', wanted);
        END IF;
        CONTINUE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = wanted);
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolcreaterole)) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VB061',
                MESSAGE = pg_catalog.format('role "%s" is missing', wanted),
                DETAIL = pg_catalog.format('Role "%s" may not make it.', current_user),
                HINT = 'Once, as a role that may: CREATE ROLE vibe_viewer; CREATE ROLE vibe_operator IN ROLE vibe_viewer; '
                       'CREATE ROLE vibe_admin IN ROLE vibe_operator; CREATE ROLE vibe_agent;';
        END IF;
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
    END LOOP;
    IF NOT pg_catalog.pg_has_role('vibe_operator', 'vibe_viewer', 'USAGE') THEN
        GRANT vibe_viewer TO vibe_operator;
    END IF;
    IF NOT pg_catalog.pg_has_role('vibe_admin', 'vibe_operator', 'USAGE') THEN
        GRANT vibe_operator TO vibe_admin;
    END IF;
END
$roles$;
