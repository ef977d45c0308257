CREATE TABLE parlant.parlant_agent_knowledge_base (
    id                uuid NOT NULL,
    workspace_id      text NOT NULL,
    agent_id          uuid NOT NULL,
    knowledge_base_id text NOT NULL,
    enabled           boolean NOT NULL DEFAULT true,
    search_threshold  integer DEFAULT 80,
    max_results       integer DEFAULT 5,
    priority          integer NOT NULL DEFAULT 100,
    search_count      integer NOT NULL DEFAULT 0,
    last_searched_at  timestamp,
    created_at        timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at        timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_knowledge_base_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_knowledge_base_key UNIQUE (workspace_id, agent_id, knowledge_base_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT knowledge_base_id_has_1_to_255_characters CHECK (length(knowledge_base_id) BETWEEN 1 AND 255),
    CONSTRAINT search_threshold_is_0_to_100 CHECK (search_threshold BETWEEN 0 AND 100),
    CONSTRAINT max_results_is_positive CHECK (max_results > 0),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT search_count_is_not_negative CHECK (search_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_knowledge_base IS
    'Assignment of a knowledge base of the host platform to an agent.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.id IS
    'Key of the assignment, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.workspace_id IS
    'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.knowledge_base_id IS 'Id of the knowledge base on the host platform.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.enabled IS 'A disabled assignment is kept and not searched.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.search_threshold IS
    'Least similarity of a hit, in percent; NULL is any.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.max_results IS 'Most hits of a search.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.priority IS '1 to 1000; higher is searched first.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.search_count IS 'Searches so far; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.last_searched_at IS 'UTC time of the last search; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_knowledge_base.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_knowledge_base_key ON parlant.parlant_agent_knowledge_base IS
    'A knowledge base is assigned to an agent once; reads the knowledge bases of an agent.';

ALTER TABLE parlant.parlant_agent_knowledge_base ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_knowledge_base_host ON parlant.parlant_agent_knowledge_base (knowledge_base_id, workspace_id);
COMMENT ON INDEX parlant.parlant_agent_knowledge_base_host IS
    'Follows a knowledge base to its agents, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_knowledge_base
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_knowledge_base IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_knowledge_base
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_knowledge_base IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_knowledge_base
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_agent_knowledge_base IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent_knowledge_base
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_agent_knowledge_base IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_agent_knowledge_base ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_knowledge_base FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_knowledge_base FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_knowledge_base FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_knowledge_base FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_knowledge_base FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
