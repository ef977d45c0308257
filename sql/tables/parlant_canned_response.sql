CREATE TABLE parlant.parlant_canned_response (
    id                   uuid NOT NULL,
    workspace_id         text NOT NULL,
    agent_id             uuid NOT NULL,
    template             text NOT NULL,
    category             text,
    tags                 jsonb DEFAULT '[]',
    conditions           jsonb DEFAULT '[]',
    priority             integer NOT NULL DEFAULT 100,
    enabled              boolean NOT NULL DEFAULT true,
    requires_exact_match boolean NOT NULL DEFAULT false,
    use_count            integer NOT NULL DEFAULT 0,
    last_used_at         timestamp,
    created_at           timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at           timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_canned_response_pkey PRIMARY KEY (id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT template_has_1_to_5000_characters CHECK (length(template) <= 5000 AND btrim(template) <> ''),
    CONSTRAINT category_has_at_most_100_characters CHECK (length(category) <= 100),
    CONSTRAINT tags_is_an_array CHECK (jsonb_typeof(tags) = 'array'),
    CONSTRAINT conditions_is_an_array CHECK (jsonb_typeof(conditions) = 'array'),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_canned_response IS 'A pre-approved answer of an agent, as a template.';
COMMENT ON COLUMN parlant.parlant_canned_response.id IS
    'Key of the canned response, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_canned_response.workspace_id IS
    'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_canned_response.agent_id IS 'Agent that may answer with it.';
COMMENT ON COLUMN parlant.parlant_canned_response.template IS 'Text of the answer with placeholders.';
COMMENT ON COLUMN parlant.parlant_canned_response.category IS 'Group, for finding it.';
COMMENT ON COLUMN parlant.parlant_canned_response.tags IS 'Array of tags, for finding it.';
COMMENT ON COLUMN parlant.parlant_canned_response.conditions IS
    'Array of conditions of which one must hold; empty means always.';
COMMENT ON COLUMN parlant.parlant_canned_response.priority IS '1 to 1000; higher is preferred.';
COMMENT ON COLUMN parlant.parlant_canned_response.enabled IS 'A disabled response is kept and not used.';
COMMENT ON COLUMN parlant.parlant_canned_response.requires_exact_match IS 'Only an exact match finds it, not a fuzzy one.';
COMMENT ON COLUMN parlant.parlant_canned_response.use_count IS 'Uses so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_canned_response.last_used_at IS 'UTC time of the last use; may lag.';
COMMENT ON COLUMN parlant.parlant_canned_response.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_canned_response.updated_at IS 'UTC time of the last change, kept by a trigger.';

ALTER TABLE parlant.parlant_canned_response ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_canned_response_priority ON parlant.parlant_canned_response
    (workspace_id, agent_id, priority DESC, created_at, id);
COMMENT ON INDEX parlant.parlant_canned_response_priority IS
    'Reads the canned responses of an agent in their order; follows an agent to them when it is deleted.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_canned_response
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_canned_response IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_canned_response
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_canned_response IS 'Keeps updated_at.';

-- A trigger, not a check: a check would refuse to be added to tables that hold a broken template, and says not where.
CREATE TRIGGER check_template BEFORE INSERT OR UPDATE OF template ON parlant.parlant_canned_response
    FOR EACH ROW EXECUTE FUNCTION parlant.check_template();
COMMENT ON TRIGGER check_template ON parlant.parlant_canned_response IS
    'Refuses a broken template, with line and column.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_canned_response
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_canned_response IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_canned_response
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_canned_response IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_canned_response ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_canned_response FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_canned_response FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_canned_response FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_canned_response FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_canned_response FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
