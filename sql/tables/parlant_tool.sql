CREATE TABLE parlant.parlant_tool (
    id                    uuid NOT NULL,
    workspace_id          text NOT NULL,
    name                  text NOT NULL,
    display_name          text NOT NULL,
    description           text NOT NULL,
    sim_tool_id           text,
    tool_type             text NOT NULL,
    parameters            jsonb NOT NULL,
    return_schema         jsonb,
    usage_guidelines      text,
    error_handling        jsonb DEFAULT '{}',
    execution_timeout     integer DEFAULT 30000,
    retry_policy          jsonb DEFAULT '{"max_attempts": 3, "backoff_ms": 1000}',
    rate_limit_per_minute integer DEFAULT 60,
    rate_limit_per_hour   integer DEFAULT 1000,
    requires_auth         boolean NOT NULL DEFAULT false,
    auth_type             text,
    auth_config           jsonb DEFAULT '{}',
    enabled               boolean NOT NULL DEFAULT true,
    is_public             boolean NOT NULL DEFAULT false,
    is_deprecated         boolean NOT NULL DEFAULT false,
    use_count             integer NOT NULL DEFAULT 0,
    success_rate          integer DEFAULT 100,
    last_used_at          timestamp,
    created_at            timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at            timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_tool_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_tool_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_tool_name_key UNIQUE (workspace_id, name),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT name_is_an_identifier CHECK (length(name) <= 255 AND name ~ '^[a-zA-Z][a-zA-Z0-9_-]*$'),
    CONSTRAINT display_name_has_1_to_255_characters CHECK (length(display_name) <= 255 AND btrim(display_name) <> ''),
    CONSTRAINT description_has_1_to_2000_characters CHECK (length(description) <= 2000 AND btrim(description) <> ''),
    CONSTRAINT sim_tool_id_has_at_most_255_characters CHECK (length(sim_tool_id) <= 255),
    CONSTRAINT tool_type_is_known CHECK (tool_type IN ('sim_native', 'custom', 'external', 'system')),
    CONSTRAINT parameters_is_an_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT return_schema_is_an_object CHECK (jsonb_typeof(return_schema) = 'object'),
    CONSTRAINT usage_guidelines_has_at_most_3000_characters CHECK (length(usage_guidelines) <= 3000),
    CONSTRAINT error_handling_is_an_object CHECK (jsonb_typeof(error_handling) = 'object'),
    CONSTRAINT execution_timeout_is_1_to_3600000 CHECK (execution_timeout BETWEEN 1 AND 3600000),
    CONSTRAINT retry_policy_is_an_object CHECK (jsonb_typeof(retry_policy) = 'object'),
    CONSTRAINT rate_limit_per_minute_is_positive CHECK (rate_limit_per_minute > 0),
    CONSTRAINT rate_limit_per_hour_is_positive CHECK (rate_limit_per_hour > 0),
    CONSTRAINT auth_type_is_known CHECK (auth_type IN ('api_key', 'oauth', 'basic', 'bearer', 'none')),
    CONSTRAINT auth_config_is_an_object CHECK (jsonb_typeof(auth_config) = 'object'),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0),
    CONSTRAINT success_rate_is_0_to_100 CHECK (success_rate BETWEEN 0 AND 100)
);
COMMENT ON TABLE parlant.parlant_tool IS 'A function that agents of a workspace may call.';
COMMENT ON COLUMN parlant.parlant_tool.id IS 'Key of the tool, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_tool.workspace_id IS 'Workspace that owns the tool.';
COMMENT ON COLUMN parlant.parlant_tool.name IS 'Identifier that models call it by, unique in the workspace.';
COMMENT ON COLUMN parlant.parlant_tool.display_name IS 'Caption for people.';
COMMENT ON COLUMN parlant.parlant_tool.description IS 'What the tool does; models choose by it.';
COMMENT ON COLUMN parlant.parlant_tool.sim_tool_id IS 'Id of the host platform''s tool that it wraps.';
COMMENT ON COLUMN parlant.parlant_tool.tool_type IS 'Where it runs: sim_native, custom, external or system.';
COMMENT ON COLUMN parlant.parlant_tool.parameters IS 'JSON Schema of the arguments, an object.';
COMMENT ON COLUMN parlant.parlant_tool.return_schema IS 'JSON Schema of the result, an object.';
COMMENT ON COLUMN parlant.parlant_tool.usage_guidelines IS 'Hints on when and how to use it, in natural language.';
COMMENT ON COLUMN parlant.parlant_tool.error_handling IS 'Object: what to do when a call fails.';
COMMENT ON COLUMN parlant.parlant_tool.execution_timeout IS 'Longest time of a call, in milliseconds.';
COMMENT ON COLUMN parlant.parlant_tool.retry_policy IS 'Object: max_attempts and backoff_ms.';
COMMENT ON COLUMN parlant.parlant_tool.rate_limit_per_minute IS 'Most calls in any 60 seconds; NULL is no limit.';
COMMENT ON COLUMN parlant.parlant_tool.rate_limit_per_hour IS 'Most calls in any 60 minutes; NULL is no limit.';
COMMENT ON COLUMN parlant.parlant_tool.requires_auth IS 'Calls need credentials.';
COMMENT ON COLUMN parlant.parlant_tool.auth_type IS 'Kind of credentials: api_key, oauth, basic, bearer or none.';
COMMENT ON COLUMN parlant.parlant_tool.auth_config IS
    'Object: settings for the credentials. Put references here, not secrets.';
COMMENT ON COLUMN parlant.parlant_tool.enabled IS 'A disabled tool is kept and cannot be called.';
COMMENT ON COLUMN parlant.parlant_tool.is_public IS 'Every agent of the workspace may use it without assignment.';
COMMENT ON COLUMN parlant.parlant_tool.is_deprecated IS 'Superseded; kept for history.';
COMMENT ON COLUMN parlant.parlant_tool.use_count IS 'Calls so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_tool.success_rate IS 'Percent of calls that succeeded; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_tool.last_used_at IS 'UTC time of the last call; may lag.';
COMMENT ON COLUMN parlant.parlant_tool.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_tool.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_tool_workspace_key ON parlant.parlant_tool IS
    'What references to a tool point to, so that they cannot leave its workspace; lists a workspace''s tools.';
COMMENT ON CONSTRAINT parlant_tool_name_key ON parlant.parlant_tool IS
    'Makes names unique in a workspace; finds a tool by name.';

ALTER TABLE parlant.parlant_tool ALTER COLUMN id SET DEFAULT parlant.uuidv7();

ALTER TABLE parlant.parlant_tool ADD CONSTRAINT parameters_is_a_json_schema
    CHECK (parlant.json_schema_error(parameters) IS NULL);
COMMENT ON CONSTRAINT parameters_is_a_json_schema ON parlant.parlant_tool IS
    'SELECT parlant.json_schema_error(parameters) says what is wrong with a schema.';
ALTER TABLE parlant.parlant_tool ADD CONSTRAINT return_schema_is_a_json_schema
    CHECK (parlant.json_schema_error(return_schema) IS NULL);
COMMENT ON CONSTRAINT return_schema_is_a_json_schema ON parlant.parlant_tool IS
    'SELECT parlant.json_schema_error(return_schema) says what is wrong with a schema.';

CREATE INDEX parlant_tool_host_tool ON parlant.parlant_tool (workspace_id, sim_tool_id) WHERE sim_tool_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_tool_host_tool IS 'Finds the tool that wraps a tool of the host platform.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_tool IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_tool IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_tool
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_tool IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_tool ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';
