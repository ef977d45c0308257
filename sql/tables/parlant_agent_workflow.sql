CREATE TABLE parlant.parlant_agent_workflow (
    id                 uuid NOT NULL,
    workspace_id       text NOT NULL,
    agent_id           uuid NOT NULL,
    workflow_id        text NOT NULL,
    integration_type   text NOT NULL,
    enabled            boolean NOT NULL DEFAULT true,
    trigger_conditions jsonb DEFAULT '[]',
    input_mapping      jsonb DEFAULT '{}',
    monitor_events     jsonb DEFAULT '[]',
    output_mapping     jsonb DEFAULT '{}',
    trigger_count      integer NOT NULL DEFAULT 0,
    last_triggered_at  timestamp,
    created_at         timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at         timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_workflow_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_workflow_key UNIQUE (workspace_id, agent_id, workflow_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT integration_type_is_known CHECK (integration_type IN ('trigger', 'monitor', 'both')),
    CONSTRAINT trigger_conditions_is_an_array CHECK (jsonb_typeof(trigger_conditions) = 'array'),
    CONSTRAINT input_mapping_is_an_object CHECK (jsonb_typeof(input_mapping) = 'object'),
    CONSTRAINT monitor_events_is_an_array CHECK (jsonb_typeof(monitor_events) = 'array'),
    CONSTRAINT output_mapping_is_an_object CHECK (jsonb_typeof(output_mapping) = 'object'),
    CONSTRAINT trigger_count_is_not_negative CHECK (trigger_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_workflow IS
    'A workflow of the host platform that an agent may start or watch.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.id IS 'Key of the link, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.workspace_id IS
    'Workspace of the agent and of the workflow; filled from the agent when left out.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.workflow_id IS 'Id of the workflow on the host platform.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.integration_type IS
    'trigger (the agent starts it), monitor (the agent follows its events) or both.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.enabled IS 'A disabled link is kept and not used.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.trigger_conditions IS 'Array of conditions on the session to start it.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.input_mapping IS 'Object: data of the session to input of the workflow.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.monitor_events IS 'Array of the workflow''s events to follow.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.output_mapping IS 'Object: output of the workflow to data of the session.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.trigger_count IS 'Times started; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.last_triggered_at IS 'UTC time it was last started; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_workflow_key ON parlant.parlant_agent_workflow IS
    'A workflow is linked to an agent once; reads the workflows of an agent.';

ALTER TABLE parlant.parlant_agent_workflow ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_workflow_host ON parlant.parlant_agent_workflow (workflow_id, workspace_id);
COMMENT ON INDEX parlant.parlant_agent_workflow_host IS
    'Follows a workflow to its agents, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_workflow
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_workflow IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_workflow
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_workflow IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_workflow
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_agent_workflow IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_workflow
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_agent_workflow IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_agent_workflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_workflow FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_workflow FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_workflow FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_workflow FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_workflow FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
