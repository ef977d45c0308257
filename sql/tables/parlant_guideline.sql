CREATE TABLE parlant.parlant_guideline (
    id              uuid NOT NULL,
    workspace_id    text NOT NULL,
    agent_id        uuid NOT NULL,
    condition       text NOT NULL,
    action          text NOT NULL,
    priority        integer NOT NULL DEFAULT 100,
    enabled         boolean NOT NULL DEFAULT true,
    tool_ids        jsonb DEFAULT '[]',
    match_count     integer NOT NULL DEFAULT 0,
    last_matched_at timestamp,
    created_at      timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at      timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_guideline_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_guideline_agent_key UNIQUE (workspace_id, agent_id, id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT condition_has_1_to_2000_characters CHECK (length(condition) <= 2000 AND btrim(condition) <> ''),
    CONSTRAINT action_has_1_to_5000_characters CHECK (length(action) <= 5000 AND btrim(action) <> ''),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT tool_ids_is_an_array CHECK (jsonb_typeof(tool_ids) = 'array'),
    CONSTRAINT match_count_is_not_negative CHECK (match_count >= 0)
);
COMMENT ON TABLE parlant.parlant_guideline IS
    'A behaviour rule of an agent: when the condition holds, the agent shall do the action.';
COMMENT ON COLUMN parlant.parlant_guideline.id IS 'Key of the guideline, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_guideline.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_guideline.agent_id IS 'Agent that follows the rule.';
COMMENT ON COLUMN parlant.parlant_guideline.condition IS 'When the rule applies, in natural language.';
COMMENT ON COLUMN parlant.parlant_guideline.action IS 'What the agent shall do.';
COMMENT ON COLUMN parlant.parlant_guideline.priority IS '1 to 1000; higher is considered first.';
COMMENT ON COLUMN parlant.parlant_guideline.enabled IS 'A disabled rule is kept and ignored.';
COMMENT ON COLUMN parlant.parlant_guideline.tool_ids IS 'Array of tools the rule may use, each by id or by name.';
COMMENT ON COLUMN parlant.parlant_guideline.match_count IS 'Matches so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_guideline.last_matched_at IS 'UTC time of the last match; may lag.';
COMMENT ON COLUMN parlant.parlant_guideline.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_guideline.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_guideline_agent_key ON parlant.parlant_guideline IS
    'What journey guidelines point to, so that they stay with one agent; follows an agent to its guidelines.';

ALTER TABLE parlant.parlant_guideline ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_guideline_priority ON parlant.parlant_guideline
    (workspace_id, agent_id, priority DESC, created_at, id) WHERE enabled;
COMMENT ON INDEX parlant.parlant_guideline_priority IS
    'Reads the enabled guidelines of an agent in their order, which happens at every turn of a conversation.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_guideline
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_guideline IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_guideline IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_guideline IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_guideline
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_guideline IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_guideline ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_guideline FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_guideline FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_guideline FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_guideline FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_guideline FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
