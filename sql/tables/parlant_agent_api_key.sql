CREATE TABLE parlant.parlant_agent_api_key (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL,
    api_key_id   text NOT NULL,
    purpose      text NOT NULL,
    enabled      boolean NOT NULL DEFAULT true,
    priority     integer NOT NULL DEFAULT 100,
    use_count    integer NOT NULL DEFAULT 0,
    last_used_at timestamp,
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_api_key_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_api_key_key UNIQUE (workspace_id, agent_id, api_key_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT api_key_id_has_1_to_255_characters CHECK (length(api_key_id) BETWEEN 1 AND 255),
    CONSTRAINT purpose_is_known CHECK (purpose IN ('tools', 'llm', 'external_service', 'general')),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_api_key IS
    'An API key of the host platform that an agent may use. The key itself stays with the host.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.id IS 'Key of the link, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.workspace_id IS
    'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.api_key_id IS 'Id of the API key on the host platform.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.purpose IS 'What it is for: tools, llm, external_service or general.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.enabled IS 'A disabled link is kept and not used.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.priority IS '1 to 1000; of the enabled keys of a purpose the highest is used.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.use_count IS 'Uses so far; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.last_used_at IS 'UTC time of the last use; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_api_key.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_api_key_key ON parlant.parlant_agent_api_key IS
    'A key is linked to an agent once; reads the keys of an agent.';

ALTER TABLE parlant.parlant_agent_api_key ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_api_key_host ON parlant.parlant_agent_api_key (api_key_id, workspace_id);
COMMENT ON INDEX parlant.parlant_agent_api_key_host IS
    'Follows an API key to its agents, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_api_key
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_api_key IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_api_key
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_api_key IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_api_key
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_agent_api_key IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_api_key
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_agent_api_key IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_agent_api_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_api_key FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_api_key FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_api_key FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_api_key FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_api_key FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
