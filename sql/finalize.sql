COMMENT ON FUNCTION parlant.uuidv7() IS
    'A new UUID of version 7, ordered by time: the default key of every table.';
COMMENT ON FUNCTION parlant.json_schema_error(jsonb) IS
    'Why a document is no JSON Schema that parlant accepts, with the path of the fault; NULL if it is one. Drafts '
    '2020-12 and 7, no references to other documents, at most 262144 bytes, 127 levels and 100 regular expressions.';
COMMENT ON FUNCTION parlant.install_tables() IS
    'Makes what is missing of the tables of parlant, with everything on them, and tells what it made. '
    'Run it after restoring a dump of an earlier version.';

COMMENT ON FUNCTION parlant.install_tables(integer) IS
    'The same, but where the event table is missing it is made in this many partitions by the hash of the session.';

-- Nobody has what was not granted to them.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA parlant FROM PUBLIC;

DO $$
BEGIN
    IF pg_catalog.obj_description('parlant'::pg_catalog.regnamespace, 'pg_namespace') IS NULL THEN
        COMMENT ON SCHEMA parlant IS 'Data layer of a conversational-agent platform (extension parlant).';
    END IF;

    -- A dump sets row_security off before it runs CREATE EXTENSION, and then brings the tables itself.
    IF pg_catalog.current_setting('row_security')::boolean THEN
        PERFORM parlant.install_tables();
    END IF;
END $$;
