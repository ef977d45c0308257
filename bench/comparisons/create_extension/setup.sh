# Writes plain.sql: the functions as the install script has them, the tables as a dump has them.
sql -c "CREATE EXTENSION parlant"
version=$(sql -At -c "SELECT extversion FROM pg_extension WHERE extname = 'parlant'")
{
    # Without row_security the install script makes no tables.
    echo 'BEGIN; CREATE SCHEMA parlant; SET LOCAL search_path = parlant, public; SET LOCAL row_security = off;'
    sed -e '/^\\echo/d' -e 's|MODULE_PATHNAME|$libdir/parlant|' -e 's|@extschema@|parlant|g' \
        "$(pg_config --sharedir)/extension/parlant--$version.sql"
    pg_dump --schema-only | sed -E '/^(CREATE SCHEMA|CREATE EXTENSION|COMMENT ON EXTENSION)/d'
    echo 'COMMIT;'
} >"$SCRATCH/plain.sql"
