CREATE TABLE parlant.parlant_variable (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    agent_id     uuid,
    session_id   uuid,
    customer_id  text,
    key          text NOT NULL,
    scope        text NOT NULL DEFAULT 'session',
    value        jsonb NOT NULL,
    value_type   text NOT NULL,
    is_private   boolean NOT NULL DEFAULT false,
    description  text,
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_variable_pkey PRIMARY KEY (id),
    -- Which of the three owner columns are set tells the scope (see owner_fits_the_scope), so it need not be in the key.
    CONSTRAINT parlant_variable_key UNIQUE NULLS NOT DISTINCT (workspace_id, agent_id, session_id, customer_id, key),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT session_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, session_id)
        REFERENCES parlant.parlant_session (workspace_id, agent_id, id) ON DELETE CASCADE,
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT scope_is_known CHECK (scope IN ('session', 'customer', 'agent', 'global')),
    CONSTRAINT owner_fits_the_scope CHECK (
        CASE scope
            WHEN 'session' THEN agent_id IS NOT NULL AND session_id IS NOT NULL AND customer_id IS NULL
            WHEN 'customer' THEN agent_id IS NOT NULL AND session_id IS NULL AND customer_id IS NOT NULL
            WHEN 'agent' THEN agent_id IS NOT NULL AND session_id IS NULL AND customer_id IS NULL
            WHEN 'global' THEN agent_id IS NULL AND session_id IS NULL AND customer_id IS NULL
        END),
    CONSTRAINT customer_id_has_1_to_255_characters CHECK (length(customer_id) BETWEEN 1 AND 255),
    CONSTRAINT key_is_an_identifier CHECK (length(key) <= 255 AND key ~ '^[a-zA-Z][a-zA-Z0-9_]*$'),
    CONSTRAINT value_type_agrees_with_value CHECK (value_type = jsonb_typeof(value)),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000)
);
COMMENT ON TABLE parlant.parlant_variable IS
    'A named JSON value of a session, a customer, an agent or the whole workspace. The nearest scope wins.';
COMMENT ON COLUMN parlant.parlant_variable.id IS 'Key of the variable, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_variable.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_variable.agent_id IS
    'The agent; NULL in scope global, where it is cleared if a client sends it.';
COMMENT ON COLUMN parlant.parlant_variable.session_id IS 'The session, a session of the agent; set in scope session only.';
COMMENT ON COLUMN parlant.parlant_variable.customer_id IS 'The customer; set in scope customer only.';
COMMENT ON COLUMN parlant.parlant_variable.key IS 'Name: a letter, then letters, digits and underscores.';
COMMENT ON COLUMN parlant.parlant_variable.scope IS
    'Whose value it is: session, customer, agent or global (all agents of the workspace).';
COMMENT ON COLUMN parlant.parlant_variable.value IS 'The value.';
COMMENT ON COLUMN parlant.parlant_variable.value_type IS
    'JSON type of the value: string, number, boolean, object, array or null; derived when left out.';
COMMENT ON COLUMN parlant.parlant_variable.is_private IS 'Kept from customers and out of exports.';
COMMENT ON COLUMN parlant.parlant_variable.description IS 'What it holds.';
COMMENT ON COLUMN parlant.parlant_variable.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_variable.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_variable_key ON parlant.parlant_variable IS
    'One value per key and owner; reads the variables of an owner, and follows an agent or a session to them.';

ALTER TABLE parlant.parlant_variable ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_variable_customer ON parlant.parlant_variable (workspace_id, customer_id) WHERE customer_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_variable_customer IS 'Finds the variables of a customer at all agents, to erase them.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_variable
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_variable IS 'Fills workspace_id from the agent.';

-- Named to run after fill_workspace_id, which needs the agent.
CREATE TRIGGER fit_agent_to_scope BEFORE INSERT OR UPDATE ON parlant.parlant_variable
    FOR EACH ROW WHEN (NEW.scope = 'global' AND NEW.agent_id IS NOT NULL)
    EXECUTE FUNCTION parlant.fit_agent_to_scope();
COMMENT ON TRIGGER fit_agent_to_scope ON parlant.parlant_variable IS 'Clears the agent of a variable in scope global.';

CREATE TRIGGER match_value_type BEFORE INSERT OR UPDATE ON parlant.parlant_variable
    FOR EACH ROW WHEN (NEW.value_type IS DISTINCT FROM jsonb_typeof(NEW.value))
    EXECUTE FUNCTION parlant.match_value_type();
COMMENT ON TRIGGER match_value_type ON parlant.parlant_variable IS 'Derives value_type from the value when a client leaves it out.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_variable
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_variable IS 'Keeps updated_at.';

ALTER TABLE parlant.parlant_variable ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_variable FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_variable FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_variable IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_variable FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_variable IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_variable FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_variable IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_variable FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_variable IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
