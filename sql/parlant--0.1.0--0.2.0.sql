\echo Use "ALTER EXTENSION parlant UPDATE" to load this file. \quit

-- The schemas of tools are checked.
CREATE FUNCTION parlant.json_schema_error(schema jsonb) RETURNS text
    IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'json_schema_error_wrapper';
COMMENT ON FUNCTION parlant.json_schema_error(jsonb) IS
    'Why a document is no JSON Schema that parlant accepts, with the path of the fault; NULL if it is one. Drafts '
    '2020-12 and 7, no references to other documents, at most 262144 bytes, 127 levels and 100 regular expressions.';
REVOKE ALL ON FUNCTION parlant.json_schema_error(jsonb) FROM PUBLIC;

SELECT FROM parlant.install_tables();
