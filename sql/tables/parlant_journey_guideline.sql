CREATE TABLE parlant.parlant_journey_guideline (
    id                         uuid NOT NULL,
    workspace_id               text NOT NULL,
    agent_id                   uuid NOT NULL,
    journey_id                 uuid NOT NULL,
    guideline_id               uuid NOT NULL,
    priority_override          integer,
    enabled                    boolean NOT NULL DEFAULT true,
    journey_specific_condition text,
    match_count                integer NOT NULL DEFAULT 0,
    last_matched_at            timestamp,
    created_at                 timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at                 timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_journey_guideline_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_journey_guideline_key UNIQUE (workspace_id, journey_id, guideline_id),
    CONSTRAINT journey_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, agent_id, id) ON DELETE CASCADE,
    CONSTRAINT guideline_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, guideline_id)
        REFERENCES parlant.parlant_guideline (workspace_id, agent_id, id) ON DELETE CASCADE,
    CONSTRAINT priority_override_is_1_to_1000 CHECK (priority_override BETWEEN 1 AND 1000),
    CONSTRAINT journey_specific_condition_has_1_to_2000_characters
        CHECK (length(journey_specific_condition) <= 2000 AND btrim(journey_specific_condition) <> ''),
    CONSTRAINT match_count_is_not_negative CHECK (match_count >= 0)
);
COMMENT ON TABLE parlant.parlant_journey_guideline IS
    'How a guideline applies inside a journey of the same agent: with another priority, a further condition, or not.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.id IS 'Key of the link, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.workspace_id IS
    'Workspace of the journey; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.agent_id IS
    'Agent of both journey and guideline; filled from the journey when left out.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.journey_id IS 'The journey.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.guideline_id IS 'The guideline.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.priority_override IS
    '1 to 1000: replaces the guideline''s priority inside the journey; NULL keeps it.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.enabled IS 'False takes the guideline out inside the journey.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.journey_specific_condition IS
    'Condition that must hold as well inside the journey, in natural language.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.match_count IS
    'Matches inside the journey; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.last_matched_at IS
    'UTC time of the last match inside the journey; may lag.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_journey_guideline_key ON parlant.parlant_journey_guideline IS
    'A guideline is linked to a journey once; reads the links of a journey.';

ALTER TABLE parlant.parlant_journey_guideline ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_journey_guideline_guideline ON parlant.parlant_journey_guideline (workspace_id, guideline_id);
COMMENT ON INDEX parlant.parlant_journey_guideline_guideline IS 'Follows a guideline to its journeys.';

CREATE TRIGGER fill_agent_and_workspace BEFORE INSERT ON parlant.parlant_journey_guideline
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL OR NEW.agent_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('journey_id', 'parlant_journey', 'workspace_id', 'agent_id');
COMMENT ON TRIGGER fill_agent_and_workspace ON parlant.parlant_journey_guideline IS
    'Fills agent_id and workspace_id from the journey.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_journey_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_journey_guideline IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_journey_guideline IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_guideline
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_journey_guideline IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_journey_guideline ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey_guideline FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey_guideline FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey_guideline FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey_guideline FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey_guideline FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
