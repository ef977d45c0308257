CREATE TABLE parlant.parlant_agent_tool (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    agent_id      uuid NOT NULL,
    tool_id       uuid NOT NULL,
    configuration jsonb DEFAULT '{}',
    enabled       boolean NOT NULL DEFAULT true,
    priority      integer NOT NULL DEFAULT 100,
    use_count     integer NOT NULL DEFAULT 0,
    last_used_at  timestamp,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_tool_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_tool_key UNIQUE (workspace_id, agent_id, tool_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT tool_is_in_the_workspace FOREIGN KEY (workspace_id, tool_id)
        REFERENCES parlant.parlant_tool (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT configuration_is_an_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_tool IS 'Assignment of a tool to an agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.id IS 'Key of the assignment, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_tool.workspace_id IS
    'Workspace of the agent and of the tool; filled from the agent when left out.';
COMMENT ON COLUMN parlant.parlant_agent_tool.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.tool_id IS 'The tool.';
COMMENT ON COLUMN parlant.parlant_agent_tool.configuration IS
    'Object: overrides of the tool''s settings for this agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.enabled IS 'A disabled assignment is kept and not used.';
COMMENT ON COLUMN parlant.parlant_agent_tool.priority IS '1 to 1000; higher is preferred.';
COMMENT ON COLUMN parlant.parlant_agent_tool.use_count IS 'Calls by this agent; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_agent_tool.last_used_at IS 'UTC time of the last call by this agent; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_tool.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_tool.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_tool_key ON parlant.parlant_agent_tool IS
    'A tool is assigned to an agent once; reads the tools of an agent.';

ALTER TABLE parlant.parlant_agent_tool ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_tool_tool ON parlant.parlant_agent_tool (workspace_id, tool_id);
COMMENT ON INDEX parlant.parlant_agent_tool_tool IS 'Follows a tool to the agents that have it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_tool
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_tool IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_tool IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_agent_tool IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_tool
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_agent_tool IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_agent_tool ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_tool FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_tool FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_tool FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_tool FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_tool FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
