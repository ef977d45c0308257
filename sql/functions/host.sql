COMMENT ON FUNCTION parlant.link_host(text, boolean) IS
    'Adds foreign keys to the host application''s tables in a schema, and takes permissions from there. Rows of ours '
    'that would break one are reported, and then nothing is linked. With validate = false rows that are there are '
    'checked by a later call, under weaker locks.';
COMMENT ON FUNCTION parlant.unlink_host() IS
    'Drops the foreign keys to the host application''s tables and takes permissions from parlant''s own again.';
COMMENT ON FUNCTION parlant.host_status() IS
    'What is linked to the host application, what is missing, and whether permissions can be read from it.';
