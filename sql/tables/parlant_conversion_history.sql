CREATE TABLE parlant.parlant_conversion_history (
    id               uuid NOT NULL,
    conversion_id    text NOT NULL,
    workflow_id      text NOT NULL,
    template_id      uuid,
    workspace_id     text NOT NULL,
    user_id          text,
    agent_id         uuid,
    parameters       jsonb NOT NULL DEFAULT '{}',
    status           text NOT NULL,
    result           jsonb,
    error_details    jsonb,
    metadata         jsonb NOT NULL DEFAULT '{}',
    duration_ms      integer,
    blocks_converted integer DEFAULT 0,
    edges_converted  integer DEFAULT 0,
    warnings_count   integer DEFAULT 0,
    cache_hit        boolean DEFAULT false,
    created_at       timestamp NOT NULL DEFAULT timezone('utc', now()),
    started_at       timestamp,
    completed_at     timestamp,

    CONSTRAINT parlant_conversion_history_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_conversion_history_key UNIQUE (workspace_id, conversion_id),
    CONSTRAINT template_is_in_the_workspace FOREIGN KEY (workspace_id, template_id)
        REFERENCES parlant.parlant_workflow_template (workspace_id, id) ON DELETE SET NULL (template_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE SET NULL (agent_id),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT conversion_id_has_1_to_255_characters CHECK (length(conversion_id) BETWEEN 1 AND 255),
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT parameters_is_an_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT status_is_known CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    CONSTRAINT error_details_is_an_object CHECK (jsonb_typeof(error_details) = 'object'),
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT duration_ms_is_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT blocks_converted_is_not_negative CHECK (blocks_converted >= 0),
    CONSTRAINT edges_converted_is_not_negative CHECK (edges_converted >= 0),
    CONSTRAINT warnings_count_is_not_negative CHECK (warnings_count >= 0),
    CONSTRAINT completion_is_not_before_the_start CHECK (completed_at >= started_at)
);
COMMENT ON TABLE parlant.parlant_conversion_history IS
    'What was converted from which workflow, by whom, with which result.';
COMMENT ON COLUMN parlant.parlant_conversion_history.id IS 'Key of the row, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_conversion_history.conversion_id IS
    'Public id of the conversion, unique in the workspace.';
COMMENT ON COLUMN parlant.parlant_conversion_history.workflow_id IS
    'Workflow of the host platform; no foreign key, history outlives it.';
COMMENT ON COLUMN parlant.parlant_conversion_history.template_id IS
    'Template it was made from, if any; NULL once that is deleted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.workspace_id IS 'Workspace in which it was made.';
COMMENT ON COLUMN parlant.parlant_conversion_history.user_id IS 'User who asked for it; text, as the ids of users are.';
COMMENT ON COLUMN parlant.parlant_conversion_history.agent_id IS
    'Agent that got the journey; NULL once that is deleted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.parameters IS 'Object: parameters supplied.';
COMMENT ON COLUMN parlant.parlant_conversion_history.status IS 'queued, processing, completed or failed.';
COMMENT ON COLUMN parlant.parlant_conversion_history.result IS 'What came out.';
COMMENT ON COLUMN parlant.parlant_conversion_history.error_details IS 'Object: what went wrong.';
COMMENT ON COLUMN parlant.parlant_conversion_history.metadata IS 'Object: free data, such as progress.';
COMMENT ON COLUMN parlant.parlant_conversion_history.duration_ms IS 'Time it took, in milliseconds.';
COMMENT ON COLUMN parlant.parlant_conversion_history.blocks_converted IS 'Blocks converted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.edges_converted IS 'Edges converted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.warnings_count IS 'Warnings given.';
COMMENT ON COLUMN parlant.parlant_conversion_history.cache_hit IS
    'Kept for clients that read it: conversions are no longer cached.';
COMMENT ON COLUMN parlant.parlant_conversion_history.created_at IS 'UTC time of the request.';
COMMENT ON COLUMN parlant.parlant_conversion_history.started_at IS 'UTC time of the start.';
COMMENT ON COLUMN parlant.parlant_conversion_history.completed_at IS 'UTC time of the end.';
COMMENT ON CONSTRAINT parlant_conversion_history_key ON parlant.parlant_conversion_history IS
    'Makes conversion ids unique in a workspace; finds a conversion by it.';

ALTER TABLE parlant.parlant_conversion_history ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_conversion_history_created ON parlant.parlant_conversion_history (workspace_id, created_at DESC);
COMMENT ON INDEX parlant.parlant_conversion_history_created IS 'Lists the conversions of a workspace, latest first.';

CREATE INDEX parlant_conversion_history_workflow ON parlant.parlant_conversion_history (workspace_id, workflow_id);
COMMENT ON INDEX parlant.parlant_conversion_history_workflow IS 'Finds the conversions of a workflow.';

CREATE INDEX parlant_conversion_history_template ON parlant.parlant_conversion_history (workspace_id, template_id)
    WHERE template_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_template IS
    'Follows a template to its conversions, also when it is deleted.';

CREATE INDEX parlant_conversion_history_agent ON parlant.parlant_conversion_history (workspace_id, agent_id)
    WHERE agent_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_agent IS
    'Follows an agent to its conversions, also when it is deleted.';

CREATE INDEX parlant_conversion_history_user ON parlant.parlant_conversion_history (user_id, workspace_id)
    WHERE user_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_user IS
    'Finds the conversions of a user, also when that user is deleted.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_conversion_history
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_conversion_history IS 'Fills workspace_id from the agent.';

ALTER TABLE parlant.parlant_conversion_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_conversion_history FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_conversion_history FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_conversion_history FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_conversion_history FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_conversion_history FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
