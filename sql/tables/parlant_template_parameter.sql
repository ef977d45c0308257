CREATE TABLE parlant.parlant_template_parameter (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    template_id   uuid NOT NULL,
    name          text NOT NULL,
    type          text NOT NULL,
    description   text NOT NULL,
    default_value jsonb,
    required      boolean NOT NULL DEFAULT false,
    validation    jsonb DEFAULT '{}',
    display_order integer NOT NULL DEFAULT 0,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_template_parameter_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_template_parameter_name_key UNIQUE (workspace_id, template_id, name),
    CONSTRAINT template_is_in_the_workspace FOREIGN KEY (workspace_id, template_id)
        REFERENCES parlant.parlant_workflow_template (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT type_is_known CHECK (type IN ('string', 'number', 'boolean', 'array', 'object', 'json')),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT default_value_agrees_with_type CHECK (
        type = 'json' OR jsonb_typeof(default_value) = type OR jsonb_typeof(default_value) = 'null'),
    CONSTRAINT validation_is_an_object CHECK (jsonb_typeof(validation) = 'object')
);
COMMENT ON TABLE parlant.parlant_template_parameter IS 'A parameter of a workflow template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.id IS 'Key of the parameter, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_template_parameter.workspace_id IS
    'Workspace of the template; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_template_parameter.template_id IS 'The template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.name IS 'Name, unique in the template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.type IS
    'JSON type of its values: string, number, boolean, array, object, or json for any.';
COMMENT ON COLUMN parlant.parlant_template_parameter.description IS 'What it is for.';
COMMENT ON COLUMN parlant.parlant_template_parameter.default_value IS 'Value when none is supplied; agrees with type.';
COMMENT ON COLUMN parlant.parlant_template_parameter.required IS 'A value must be supplied.';
COMMENT ON COLUMN parlant.parlant_template_parameter.validation IS
    'Object: min, max, pattern and allowed_values of its values.';
COMMENT ON COLUMN parlant.parlant_template_parameter.display_order IS 'Order in forms, lowest first.';
COMMENT ON COLUMN parlant.parlant_template_parameter.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_template_parameter.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_template_parameter_name_key ON parlant.parlant_template_parameter IS
    'Makes names unique in a template; reads the parameters of a template.';

ALTER TABLE parlant.parlant_template_parameter ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_template_parameter
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('template_id', 'parlant_workflow_template', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_template_parameter IS 'Fills workspace_id from the template.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_template_parameter
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_template_parameter IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_template_parameter
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_template_parameter IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_template_parameter
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_template_parameter IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_template_parameter ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_template_parameter FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_template_parameter FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_template_parameter FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_template_parameter FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_template_parameter FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';
