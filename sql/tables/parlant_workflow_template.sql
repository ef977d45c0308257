CREATE TABLE parlant.parlant_workflow_template (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    name          text NOT NULL,
    description   text,
    workflow_id   text NOT NULL,
    version       text NOT NULL DEFAULT '1.0.0',
    workflow_data jsonb NOT NULL DEFAULT '{}',
    tags          text[] DEFAULT '{}',
    usage_count   integer NOT NULL DEFAULT 0,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    created_by    text,

    CONSTRAINT parlant_workflow_template_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_workflow_template_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_workflow_template_name_key UNIQUE (workspace_id, workflow_id, name),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT version_has_1_to_255_characters CHECK (length(version) <= 255 AND btrim(version) <> ''),
    CONSTRAINT workflow_data_is_an_object CHECK (jsonb_typeof(workflow_data) = 'object'),
    CONSTRAINT usage_count_is_not_negative CHECK (usage_count >= 0)
);
COMMENT ON TABLE parlant.parlant_workflow_template IS
    'A workflow with parameters, kept to be converted into journeys again and again.';
COMMENT ON COLUMN parlant.parlant_workflow_template.id IS 'Key of the template, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workspace_id IS 'Workspace that owns the template.';
COMMENT ON COLUMN parlant.parlant_workflow_template.name IS 'Name, unique among the templates of its workflow.';
COMMENT ON COLUMN parlant.parlant_workflow_template.description IS 'What it is for.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workflow_id IS
    'Workflow of the host platform that it was made from; no foreign key, the template outlives it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.version IS 'Version, such as 1.0.0.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workflow_data IS 'Object: snapshot of the workflow.';
COMMENT ON COLUMN parlant.parlant_workflow_template.tags IS 'Tags, for finding it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.usage_count IS 'Conversions made from it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_workflow_template.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON COLUMN parlant.parlant_workflow_template.created_by IS 'User who created it; text, as the ids of users are.';
COMMENT ON CONSTRAINT parlant_workflow_template_workspace_key ON parlant.parlant_workflow_template IS
    'What parameters and conversions point to, so that they cannot leave its workspace.';
COMMENT ON CONSTRAINT parlant_workflow_template_name_key ON parlant.parlant_workflow_template IS
    'Makes names unique at a workflow; finds the templates of a workflow.';

ALTER TABLE parlant.parlant_workflow_template ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_workflow_template_creator ON parlant.parlant_workflow_template (created_by, workspace_id)
    WHERE created_by IS NOT NULL;
COMMENT ON INDEX parlant.parlant_workflow_template_creator IS
    'Finds the templates of a user, also when that user is deleted.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_workflow_template
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_workflow_template IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_workflow_template
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_workflow_template IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_workflow_template
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_workflow_template IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_workflow_template ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_workflow_template FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_workflow_template FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_workflow_template FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_workflow_template FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_workflow_template FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';
