CREATE TABLE parlant.parlant_workspace_member (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    user_id      text NOT NULL,
    permission   text NOT NULL,
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_workspace_member_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_workspace_member_key UNIQUE (workspace_id, user_id),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT user_id_has_1_to_255_characters CHECK (length(user_id) BETWEEN 1 AND 255),
    CONSTRAINT permission_is_known CHECK (permission IN ('read', 'write', 'admin'))
);
COMMENT ON TABLE parlant.parlant_workspace_member IS
    'What a user may do in a workspace, where no host application decides it. Written by parlant.grant_workspace().';
COMMENT ON COLUMN parlant.parlant_workspace_member.id IS 'Key of the membership, a UUIDv7.';
COMMENT ON COLUMN parlant.parlant_workspace_member.workspace_id IS 'The workspace.';
COMMENT ON COLUMN parlant.parlant_workspace_member.user_id IS 'The user.';
COMMENT ON COLUMN parlant.parlant_workspace_member.permission IS
    'read, write or admin; each includes those before it.';
COMMENT ON COLUMN parlant.parlant_workspace_member.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_workspace_member.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_workspace_member_key ON parlant.parlant_workspace_member IS
    'One permission a user and workspace; finds it on entering, lists the members of a workspace.';

ALTER TABLE parlant.parlant_workspace_member ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_workspace_member_user ON parlant.parlant_workspace_member (user_id, workspace_id);
COMMENT ON INDEX parlant.parlant_workspace_member_user IS
    'Finds the workspaces of a user, also when that user is deleted.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_workspace_member
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_workspace_member IS 'Keeps updated_at.';

CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_workspace_member
    FOR EACH ROW EXECUTE FUNCTION parlant.invalidate_caches();
COMMENT ON TRIGGER invalidate_caches ON parlant.parlant_workspace_member IS
    'Has all connections look up again who may enter which workspace; also where other triggers do not fire.';

ALTER TABLE parlant.parlant_workspace_member ENABLE ALWAYS TRIGGER invalidate_caches;

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_workspace_member
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_workspace_member IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_workspace_member
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_workspace_member IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_workspace_member ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_workspace_member FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_admin_or_being_the_user ON parlant.parlant_workspace_member FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id()
        AND (workspace_id = parlant.administered_workspace_id() OR user_id = parlant.current_user_id()));
COMMENT ON POLICY reading_needs_admin_or_being_the_user ON parlant.parlant_workspace_member IS
    'All members of the workspace that the transaction acts in for its admins, their own membership for others.';

CREATE POLICY writing_needs_admin ON parlant.parlant_workspace_member
    USING (workspace_id = parlant.administered_workspace_id())
    WITH CHECK (workspace_id = parlant.administered_workspace_id());
COMMENT ON POLICY writing_needs_admin ON parlant.parlant_workspace_member IS
    'For admins of the workspace, should a role be granted more than SELECT; else they use parlant.grant_workspace().';
