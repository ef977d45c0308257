CREATE TABLE parlant.parlant_session_workflow (
    id             uuid NOT NULL,
    workspace_id   text NOT NULL,
    session_id     uuid NOT NULL,
    workflow_id    text NOT NULL,
    execution_id   text,
    trigger_reason text NOT NULL,
    input_data     jsonb DEFAULT '{}',
    output_data    jsonb DEFAULT '{}',
    status         text NOT NULL DEFAULT 'pending',
    started_at     timestamp NOT NULL DEFAULT timezone('utc', now()),
    completed_at   timestamp,
    error_message  text,
    created_at     timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at     timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_session_workflow_pkey PRIMARY KEY (id),
    CONSTRAINT session_is_in_the_workspace FOREIGN KEY (workspace_id, session_id)
        REFERENCES parlant.parlant_session (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT execution_id_has_1_to_255_characters CHECK (length(execution_id) BETWEEN 1 AND 255),
    CONSTRAINT trigger_reason_has_1_to_2000_characters
        CHECK (length(trigger_reason) <= 2000 AND btrim(trigger_reason) <> ''),
    CONSTRAINT input_data_is_an_object CHECK (jsonb_typeof(input_data) = 'object'),
    CONSTRAINT output_data_is_an_object CHECK (jsonb_typeof(output_data) = 'object'),
    CONSTRAINT status_is_known CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT completion_is_not_before_the_start CHECK (completed_at >= started_at)
);
COMMENT ON TABLE parlant.parlant_session_workflow IS 'A run of a workflow of the host platform, started from a session.';
COMMENT ON COLUMN parlant.parlant_session_workflow.id IS 'Key of the run, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_session_workflow.workspace_id IS
    'Workspace of the session; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_session_workflow.session_id IS 'The session.';
COMMENT ON COLUMN parlant.parlant_session_workflow.workflow_id IS 'Id of the workflow on the host platform.';
COMMENT ON COLUMN parlant.parlant_session_workflow.execution_id IS 'Id of the run in the host platform''s log.';
COMMENT ON COLUMN parlant.parlant_session_workflow.trigger_reason IS 'Why it was started.';
COMMENT ON COLUMN parlant.parlant_session_workflow.input_data IS 'Object: what the workflow was given.';
COMMENT ON COLUMN parlant.parlant_session_workflow.output_data IS 'Object: what it gave back.';
COMMENT ON COLUMN parlant.parlant_session_workflow.status IS 'pending, running, completed, failed or cancelled.';
COMMENT ON COLUMN parlant.parlant_session_workflow.started_at IS 'UTC time of the start.';
COMMENT ON COLUMN parlant.parlant_session_workflow.completed_at IS 'UTC time of the end.';
COMMENT ON COLUMN parlant.parlant_session_workflow.error_message IS 'Why it failed.';
COMMENT ON COLUMN parlant.parlant_session_workflow.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_session_workflow.updated_at IS 'UTC time of the last change, kept by a trigger.';

ALTER TABLE parlant.parlant_session_workflow ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_session_workflow_session ON parlant.parlant_session_workflow
    (workspace_id, session_id, started_at DESC);
COMMENT ON INDEX parlant.parlant_session_workflow_session IS
    'Lists the runs of a session; follows it to them when it is deleted.';

CREATE INDEX parlant_session_workflow_unfinished ON parlant.parlant_session_workflow (workspace_id, started_at)
    WHERE status IN ('pending', 'running');
COMMENT ON INDEX parlant.parlant_session_workflow_unfinished IS
    'Finds the runs that are not finished, oldest first. Finished ones, the mass, are not in it.';

CREATE INDEX parlant_session_workflow_execution ON parlant.parlant_session_workflow (workspace_id, execution_id)
    WHERE execution_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_workflow_execution IS 'Finds the run that the host platform reports on.';

CREATE INDEX parlant_session_workflow_host ON parlant.parlant_session_workflow (workflow_id, workspace_id);
COMMENT ON INDEX parlant.parlant_session_workflow_host IS
    'Follows a workflow to its runs, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_session_workflow
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('session_id', 'parlant_session', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_session_workflow IS 'Fills workspace_id from the session.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_session_workflow
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_session_workflow IS 'Keeps updated_at.';

ALTER TABLE parlant.parlant_session_workflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_session_workflow FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_session_workflow FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_session_workflow FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_session_workflow FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_session_workflow FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
