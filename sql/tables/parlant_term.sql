CREATE TABLE parlant.parlant_term (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL,
    name         text NOT NULL,
    description  text NOT NULL,
    synonyms     jsonb DEFAULT '[]',
    category     text,
    examples     jsonb DEFAULT '[]',
    importance   integer NOT NULL DEFAULT 100,
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_term_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_term_name_key UNIQUE (workspace_id, agent_id, name),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT description_has_1_to_2000_characters CHECK (length(description) <= 2000 AND btrim(description) <> ''),
    CONSTRAINT synonyms_is_an_array CHECK (jsonb_typeof(synonyms) = 'array'),
    CONSTRAINT category_has_at_most_100_characters CHECK (length(category) <= 100),
    CONSTRAINT examples_is_an_array CHECK (jsonb_typeof(examples) = 'array'),
    CONSTRAINT importance_is_1_to_1000 CHECK (importance BETWEEN 1 AND 1000)
);
COMMENT ON TABLE parlant.parlant_term IS 'A glossary entry of an agent: what a word means in its business.';
COMMENT ON COLUMN parlant.parlant_term.id IS 'Key of the term, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_term.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_term.agent_id IS 'Agent whose glossary it is in.';
COMMENT ON COLUMN parlant.parlant_term.name IS 'The term, unique in the glossary of its agent.';
COMMENT ON COLUMN parlant.parlant_term.description IS 'What it means.';
COMMENT ON COLUMN parlant.parlant_term.synonyms IS 'Array of other spellings that mean the same.';
COMMENT ON COLUMN parlant.parlant_term.category IS 'Group, for people who maintain the glossary.';
COMMENT ON COLUMN parlant.parlant_term.examples IS 'Array of examples of its use.';
COMMENT ON COLUMN parlant.parlant_term.importance IS '1 to 1000; the higher wins where two terms match the same words.';
COMMENT ON COLUMN parlant.parlant_term.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_term.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_term_name_key ON parlant.parlant_term IS
    'Makes terms unique in a glossary; reads the glossary of an agent.';

ALTER TABLE parlant.parlant_term ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_term
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_term IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_term
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_term IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_term
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_term IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_term
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_term IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_term ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_term FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_term FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_term IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_term FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_term IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_term FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_term IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_term FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_term IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
