CREATE TABLE parlant.parlant_journey_state (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    journey_id   uuid NOT NULL,
    name         text NOT NULL,
    state_type   parlant.journey_state_type NOT NULL,
    chat_prompt  text,
    tool_id      text,
    tool_config  jsonb,
    condition    text,
    is_initial   boolean NOT NULL DEFAULT false,
    is_final     boolean NOT NULL DEFAULT false,
    allow_skip   boolean NOT NULL DEFAULT true,
    metadata     jsonb DEFAULT '{}',
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_journey_state_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_journey_state_journey_key UNIQUE (workspace_id, journey_id, id),
    CONSTRAINT parlant_journey_state_finality_key UNIQUE (workspace_id, journey_id, id, is_final),
    CONSTRAINT parlant_journey_state_journey_name_key UNIQUE (workspace_id, name, journey_id),
    CONSTRAINT journey_is_in_the_workspace FOREIGN KEY (workspace_id, journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT chat_state_has_a_prompt CHECK (state_type <> 'chat' OR coalesce(btrim(chat_prompt), '') <> ''),
    CONSTRAINT tool_state_has_a_tool CHECK (state_type <> 'tool' OR coalesce(btrim(tool_id), '') <> ''),
    CONSTRAINT decision_state_has_a_condition CHECK (state_type <> 'decision' OR coalesce(btrim(condition), '') <> ''),
    CONSTRAINT is_final_agrees_with_state_type CHECK (is_final = (state_type = 'final')),
    CONSTRAINT chat_prompt_has_at_most_10000_characters CHECK (length(chat_prompt) <= 10000),
    CONSTRAINT tool_id_has_at_most_255_characters CHECK (length(tool_id) <= 255),
    CONSTRAINT tool_config_is_an_object CHECK (jsonb_typeof(tool_config) = 'object'),
    CONSTRAINT condition_has_at_most_2000_characters CHECK (length(condition) <= 2000),
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON TABLE parlant.parlant_journey_state IS 'A state of a journey: where a session can rest, or pass.';
COMMENT ON COLUMN parlant.parlant_journey_state.id IS 'Key of the state, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey_state.workspace_id IS
    'Workspace of the journey; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey_state.journey_id IS 'The journey.';
COMMENT ON COLUMN parlant.parlant_journey_state.name IS 'Name, unique in the journey.';
COMMENT ON COLUMN parlant.parlant_journey_state.state_type IS 'What happens in the state; final goes with is_final.';
COMMENT ON COLUMN parlant.parlant_journey_state.chat_prompt IS
    'What the agent says or asks here; a chat state has one, a final state may.';
COMMENT ON COLUMN parlant.parlant_journey_state.tool_id IS
    'Tool that a tool state calls, by id or by name in the workspace; must exist when a session enters the journey.';
COMMENT ON COLUMN parlant.parlant_journey_state.tool_config IS 'Object: parameters of the tool call.';
COMMENT ON COLUMN parlant.parlant_journey_state.condition IS 'What a decision state decides; a decision state has one.';
COMMENT ON COLUMN parlant.parlant_journey_state.is_initial IS 'Sessions enter here; at most one state of a journey.';
COMMENT ON COLUMN parlant.parlant_journey_state.is_final IS
    'The journey ends here; goes with state_type final, and nothing leaves it.';
COMMENT ON COLUMN parlant.parlant_journey_state.allow_skip IS 'The state may be skipped where its journey allows skipping.';
COMMENT ON COLUMN parlant.parlant_journey_state.metadata IS 'Object: free data of the client.';
COMMENT ON COLUMN parlant.parlant_journey_state.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey_state.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_journey_state_journey_key ON parlant.parlant_journey_state IS
    'What sessions and transitions point to, so that they stay in its journey; reads the states of a journey.';
COMMENT ON CONSTRAINT parlant_journey_state_finality_key ON parlant.parlant_journey_state IS
    'What leaving transitions point to, with is_final = false: so a final state can have none.';
COMMENT ON CONSTRAINT parlant_journey_state_journey_name_key ON parlant.parlant_journey_state IS
    'Makes names unique in a journey; finds a state by name.';

-- Replaced by parlant_journey_state_journey_name_key, whose columns are in an order in which no planner that knows
-- nothing yet of a new table takes it for a way from a journey to a state by its id.
ALTER TABLE parlant.parlant_journey_state DROP CONSTRAINT parlant_journey_state_name_key;

ALTER TABLE parlant.parlant_journey_state ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE UNIQUE INDEX parlant_journey_state_initial_key ON parlant.parlant_journey_state (workspace_id, journey_id)
    WHERE is_initial;
COMMENT ON INDEX parlant.parlant_journey_state_initial_key IS
    'A journey has at most one initial state; finds it when a session enters.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_journey_state
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('journey_id', 'parlant_journey', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_journey_state IS 'Fills workspace_id from the journey.';

CREATE TRIGGER match_final_flag BEFORE INSERT OR UPDATE ON parlant.parlant_journey_state
    FOR EACH ROW WHEN (NEW.is_final <> (NEW.state_type = 'final'))
    EXECUTE FUNCTION parlant.match_final_flag();
COMMENT ON TRIGGER match_final_flag ON parlant.parlant_journey_state IS
    'Sets both of state_type = final and is_final when a client sends either.';

CREATE TRIGGER keep_lone_state_alone_after_insert AFTER INSERT ON parlant.parlant_journey_state
    REFERENCING NEW TABLE AS changed_state
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.keep_lone_state_alone();
COMMENT ON TRIGGER keep_lone_state_alone_after_insert ON parlant.parlant_journey_state IS
    'A state that is initial and final at once is the only one of its journey.';

CREATE TRIGGER keep_lone_state_alone_after_update AFTER UPDATE ON parlant.parlant_journey_state
    REFERENCING NEW TABLE AS changed_state
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.keep_lone_state_alone();
COMMENT ON TRIGGER keep_lone_state_alone_after_update ON parlant.parlant_journey_state IS
    'A state that is initial and final at once is the only one of its journey.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_journey_state
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_journey_state IS 'Keeps updated_at.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_state
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_journey_state IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_state
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_journey_state IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_journey_state ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey_state FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey_state FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey_state IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey_state FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey_state IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey_state FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey_state IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey_state FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey_state IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
