CREATE TABLE parlant.parlant_host_link (
    id                  uuid NOT NULL,
    schema_name         text NOT NULL,
    archives_workspaces boolean NOT NULL,
    has_organizations   boolean NOT NULL,
    linked_by           text NOT NULL DEFAULT session_user,
    linked_at           timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_host_link_pkey PRIMARY KEY (id),
    CONSTRAINT there_is_one_link_at_most CHECK (id = '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT schema_name_has_1_to_63_characters CHECK (length(schema_name) BETWEEN 1 AND 63)
);
COMMENT ON TABLE parlant.parlant_host_link IS
    'The schema of the host application that the database is linked to: one row, written by parlant.link_host().';
COMMENT ON COLUMN parlant.parlant_host_link.id IS 'Key of the link, always the same: there is one.';
COMMENT ON COLUMN parlant.parlant_host_link.schema_name IS 'Schema that holds the tables of the host.';
COMMENT ON COLUMN parlant.parlant_host_link.archives_workspaces IS
    'The host had workspace.archived_at when it was linked. If that goes, nobody enters: archived workspaces would open.';
COMMENT ON COLUMN parlant.parlant_host_link.has_organizations IS
    'The host had workspace.organization_id when it was linked. If that goes, nobody enters before it is linked again.';
COMMENT ON COLUMN parlant.parlant_host_link.linked_by IS 'Database role that linked it.';
COMMENT ON COLUMN parlant.parlant_host_link.linked_at IS 'UTC time of linking.';

ALTER TABLE parlant.parlant_host_link ALTER COLUMN id SET DEFAULT '00000000-0000-0000-0000-000000000000';

ALTER TABLE parlant.parlant_host_link ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_host_link FORCE ROW LEVEL SECURITY;

CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_host_link
    FOR EACH ROW EXECUTE FUNCTION parlant.invalidate_caches();
COMMENT ON TRIGGER invalidate_caches ON parlant.parlant_host_link IS
    'Has all connections look up again whether a host decides who may enter; also where other triggers do not fire.';

ALTER TABLE parlant.parlant_host_link ENABLE ALWAYS TRIGGER invalidate_caches;

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_host_link
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_host_link IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_host_link
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_host_link IS 'Writes what was noted into the audit log.';
