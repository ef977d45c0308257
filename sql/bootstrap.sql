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

-- Text is read as UTF-8, in a database without encoding as well.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII') THEN
        RAISE EXCEPTION 'parlant needs a database in UTF-8' USING
            ERRCODE = 'feature_not_supported',
            DETAIL = 'The encoding of this one is ' || pg_catalog.getdatabaseencoding() || '.',
            HINT = 'Make one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END $$;

-- Functions are made before the tables that they read, and a restore brings the tables later still. The setting ends
-- with this script.
SET LOCAL check_function_bodies = off;
