CREATE FUNCTION parlant.audit_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'audit_change';
COMMENT ON FUNCTION parlant.audit_change() IS
    'Trigger: notes what changed in a row, and at the end of the statement writes an entry for each such row into the '
    'audit log, as the owner of the table.';

CREATE FUNCTION parlant.refuse_audit_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'refuse_audit_change_wrapper';
COMMENT ON FUNCTION parlant.refuse_audit_change() IS
    'Trigger: refuses to change or delete entries of the audit log.';

COMMENT ON FUNCTION parlant.purge_audit_log(timestamptz, text) IS
    'Deletes entries of the audit log that are older than a time, of one workspace or of all, and leaves an entry that '
    'says so. For the owner of the table. Gives the number of entries deleted.';
