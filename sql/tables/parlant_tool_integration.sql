CREATE TABLE parlant.parlant_tool_integration (
    id                uuid NOT NULL,
    workspace_id      text NOT NULL,
    parlant_tool_id   uuid NOT NULL,
    integration_type  text NOT NULL,
    target_id         text NOT NULL,
    configuration     jsonb DEFAULT '{}',
    enabled           boolean NOT NULL DEFAULT true,
    parameter_mapping jsonb DEFAULT '{}',
    response_mapping  jsonb DEFAULT '{}',
    last_health_check timestamp,
    health_status     text DEFAULT 'unknown',
    error_count       integer NOT NULL DEFAULT 0,
    last_error        text,
    created_at        timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at        timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_tool_integration_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_tool_integration_target_key
        UNIQUE (workspace_id, parlant_tool_id, integration_type, target_id),
    CONSTRAINT tool_is_in_the_workspace FOREIGN KEY (workspace_id, parlant_tool_id)
        REFERENCES parlant.parlant_tool (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT integration_type_is_known CHECK (integration_type IN ('custom_tool', 'workflow_block', 'mcp_server')),
    CONSTRAINT target_id_has_1_to_255_characters CHECK (length(target_id) <= 255 AND btrim(target_id) <> ''),
    CONSTRAINT configuration_is_an_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT parameter_mapping_is_an_object CHECK (jsonb_typeof(parameter_mapping) = 'object'),
    CONSTRAINT response_mapping_is_an_object CHECK (jsonb_typeof(response_mapping) = 'object'),
    CONSTRAINT health_status_is_known CHECK (health_status IN ('healthy', 'degraded', 'unhealthy', 'unknown')),
    CONSTRAINT error_count_is_not_negative CHECK (error_count >= 0)
);
COMMENT ON TABLE parlant.parlant_tool_integration IS
    'What a tool really runs: a custom tool, a workflow block or a tool of an MCP server of the host platform.';
COMMENT ON COLUMN parlant.parlant_tool_integration.id IS
    'Key of the integration, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_tool_integration.workspace_id IS
    'Workspace of the tool; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_tool_integration.parlant_tool_id IS 'The tool.';
COMMENT ON COLUMN parlant.parlant_tool_integration.integration_type IS
    'Kind of target: custom_tool, workflow_block or mcp_server.';
COMMENT ON COLUMN parlant.parlant_tool_integration.target_id IS
    'Id of the target on the host platform; no foreign key, as its table depends on integration_type.';
COMMENT ON COLUMN parlant.parlant_tool_integration.configuration IS 'Object: settings of the binding.';
COMMENT ON COLUMN parlant.parlant_tool_integration.enabled IS 'A disabled integration is kept and not used.';
COMMENT ON COLUMN parlant.parlant_tool_integration.parameter_mapping IS
    'Object: name of a tool''s parameter to name of the target''s.';
COMMENT ON COLUMN parlant.parlant_tool_integration.response_mapping IS
    'Object: name in the target''s response to name in the tool''s.';
COMMENT ON COLUMN parlant.parlant_tool_integration.last_health_check IS 'UTC time of the last health report.';
COMMENT ON COLUMN parlant.parlant_tool_integration.health_status IS 'healthy, degraded, unhealthy or unknown.';
COMMENT ON COLUMN parlant.parlant_tool_integration.error_count IS 'Failures reported since the last success.';
COMMENT ON COLUMN parlant.parlant_tool_integration.last_error IS 'Text of the last failure.';
COMMENT ON COLUMN parlant.parlant_tool_integration.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_tool_integration.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_tool_integration_target_key ON parlant.parlant_tool_integration IS
    'One integration a tool and target; follows a tool to its integrations.';

ALTER TABLE parlant.parlant_tool_integration ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_tool_integration_target ON parlant.parlant_tool_integration
    (workspace_id, integration_type, target_id);
COMMENT ON INDEX parlant.parlant_tool_integration_target IS 'Finds the tools that a target of the host platform serves.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_tool_integration
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('parlant_tool_id', 'parlant_tool', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_tool_integration IS 'Fills workspace_id from the tool.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_tool_integration
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_tool_integration IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_tool_integration
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_tool_integration IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_tool_integration
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_tool_integration IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_tool_integration ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool_integration FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool_integration FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool_integration FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool_integration FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool_integration FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';
