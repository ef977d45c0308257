CREATE TABLE parlant.parlant_journey (
    id               uuid NOT NULL,
    workspace_id     text NOT NULL,
    agent_id         uuid NOT NULL,
    title            text NOT NULL,
    description      text,
    conditions       jsonb NOT NULL,
    enabled          boolean NOT NULL DEFAULT true,
    allow_skipping   boolean NOT NULL DEFAULT true,
    allow_revisiting boolean NOT NULL DEFAULT true,
    total_sessions   integer NOT NULL DEFAULT 0,
    completion_rate  integer DEFAULT 0,
    last_used_at     timestamp,
    created_at       timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at       timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_journey_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_journey_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_journey_agent_key UNIQUE (workspace_id, agent_id, id),
    CONSTRAINT parlant_journey_title_key UNIQUE (workspace_id, agent_id, title),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT title_has_1_to_500_characters CHECK (length(title) <= 500 AND btrim(title) <> ''),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT conditions_is_an_array CHECK (jsonb_typeof(conditions) = 'array'),
    CONSTRAINT total_sessions_is_not_negative CHECK (total_sessions >= 0),
    CONSTRAINT completion_rate_is_0_to_100 CHECK (completion_rate BETWEEN 0 AND 100)
);
COMMENT ON TABLE parlant.parlant_journey IS
    'A state machine that guides a conversation of an agent: a graph of states and transitions.';
COMMENT ON COLUMN parlant.parlant_journey.id IS 'Key of the journey, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey.agent_id IS 'Agent whose sessions may walk it.';
COMMENT ON COLUMN parlant.parlant_journey.title IS 'Caption, unique among the journeys of its agent.';
COMMENT ON COLUMN parlant.parlant_journey.description IS 'What the journey is for.';
COMMENT ON COLUMN parlant.parlant_journey.conditions IS
    'Array of conditions of which one must hold for the journey to start.';
COMMENT ON COLUMN parlant.parlant_journey.enabled IS
    'A disabled journey is entered by no further session; those inside go on.';
COMMENT ON COLUMN parlant.parlant_journey.allow_skipping IS 'States that allow it may be skipped.';
COMMENT ON COLUMN parlant.parlant_journey.allow_revisiting IS 'A session may go back to a state it has been in.';
COMMENT ON COLUMN parlant.parlant_journey.total_sessions IS
    'Sessions that entered so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey.completion_rate IS
    'Percent of those sessions that reached a final state; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey.last_used_at IS 'UTC time of the last entry; may lag.';
COMMENT ON COLUMN parlant.parlant_journey.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey.updated_at IS
    'UTC time of the last change of the journey or of which states it has, kept by triggers.';
COMMENT ON CONSTRAINT parlant_journey_workspace_key ON parlant.parlant_journey IS
    'What states and transitions point to, so that they cannot leave its workspace.';
COMMENT ON CONSTRAINT parlant_journey_agent_key ON parlant.parlant_journey IS
    'What sessions and journey guidelines point to, so that they stay with its agent.';
COMMENT ON CONSTRAINT parlant_journey_title_key ON parlant.parlant_journey IS
    'Makes titles unique at an agent; finds a journey by title.';

ALTER TABLE parlant.parlant_journey ADD COLUMN total_of_deleted_sessions jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN parlant.parlant_journey.total_of_deleted_sessions IS
    'Object: sessions and completed, what deleted sessions add to total_sessions and completion_rate; kept by a trigger.';
ALTER TABLE parlant.parlant_journey ADD CONSTRAINT total_of_deleted_sessions_is_an_object
    CHECK (jsonb_typeof(total_of_deleted_sessions) = 'object');

ALTER TABLE parlant.parlant_journey ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_journey
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_journey IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_journey
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_journey IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_journey IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_journey IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_journey ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
