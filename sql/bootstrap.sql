\echo Use "CREATE EXTENSION parlant" to load this file. \quit

-- CREATE EXTENSION uses a schema of this name that is there already, whoever owns it; but the owner of a schema can
-- put objects of their own in front of ours.
DO $$
DECLARE
    schema_owner name := (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'parlant');
BEGIN
    IF schema_owner <> current_user
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = schema_owner) THEN
        RAISE EXCEPTION 'schema parlant belongs to role %', schema_owner USING
            ERRCODE = 'insufficient_privilege',
            DETAIL = 'parlant uses only what ' || current_user || ' or a superuser owns: the owner of a schema can put '
                     'functions in front of ours.',
            HINT = 'Drop or rename the schema, or change its owner with ALTER SCHEMA parlant OWNER TO ' || current_user || '.';
    END IF;
END $$;

-- Functions are made before the tables that they read, and a restore brings the tables later still. The setting ends
-- with this script.
SET LOCAL check_function_bodies = off;
