CREATE TABLE parlant.parlant_tool_call (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    tool_id      uuid NOT NULL,
    number       bigint NOT NULL,
    called_at    timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_tool_call_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_tool_call_key UNIQUE (workspace_id, tool_id, number),
    CONSTRAINT tool_is_in_the_workspace FOREIGN KEY (workspace_id, tool_id)
        REFERENCES parlant.parlant_tool (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT number_is_positive CHECK (number > 0)
);
COMMENT ON TABLE parlant.parlant_tool_call IS
    'Calls in the last hour of tools with a rate limit, as the limits count them. The log of calls is parlant_event.';
COMMENT ON COLUMN parlant.parlant_tool_call.id IS 'Key of the row, a UUIDv7.';
COMMENT ON COLUMN parlant.parlant_tool_call.workspace_id IS 'Workspace of the tool; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_tool_call.tool_id IS 'The tool.';
COMMENT ON COLUMN parlant.parlant_tool_call.number IS 'Number of the call, ascending for each tool, with gaps.';
COMMENT ON COLUMN parlant.parlant_tool_call.called_at IS 'UTC time of the call.';
COMMENT ON CONSTRAINT parlant_tool_call_key ON parlant.parlant_tool_call IS
    'Numbers the calls of a tool; finds the last one, and the one that a limit looks back to.';

ALTER TABLE parlant.parlant_tool_call ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_tool_call
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('tool_id', 'parlant_tool', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_tool_call IS 'Fills workspace_id from the tool.';

ALTER TABLE parlant.parlant_tool_call ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool_call FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool_call FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool_call FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool_call FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool_call FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';
