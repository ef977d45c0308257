-- The hottest table: every index here is paid for by every event.
CREATE TABLE parlant.parlant_event (
    id           uuid NOT NULL,
    workspace_id text NOT NULL,
    session_id   uuid NOT NULL,
    "offset"     integer NOT NULL,
    event_type   parlant.event_type NOT NULL,
    content      jsonb NOT NULL,
    metadata     jsonb DEFAULT '{}',
    tool_call_id text,
    journey_id   uuid,
    state_id     uuid,
    created_at   timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_event_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_event_offset_key UNIQUE (workspace_id, session_id, "offset"),
    CONSTRAINT session_is_in_the_workspace FOREIGN KEY (workspace_id, session_id)
        REFERENCES parlant.parlant_session (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT offset_is_not_negative CHECK ("offset" >= 0),
    CONSTRAINT content_is_an_object CHECK (jsonb_typeof(content) = 'object'),
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT tool_call_id_has_1_to_255_characters CHECK (length(tool_call_id) BETWEEN 1 AND 255),
    CONSTRAINT tool_call_and_result_have_a_tool_call_id
        CHECK (event_type NOT IN ('tool_call', 'tool_result') OR tool_call_id IS NOT NULL)
);
COMMENT ON TABLE parlant.parlant_event IS
    'The log of a session: everything that happened in it, numbered from 0.';
COMMENT ON COLUMN parlant.parlant_event.id IS 'Key of the event, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_event.workspace_id IS 'Workspace of the session; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_event.session_id IS 'The session.';
COMMENT ON COLUMN parlant.parlant_event."offset" IS
    'Position in the session, from 0; orders the events. A reserved word: quote it.';
COMMENT ON COLUMN parlant.parlant_event.event_type IS 'What happened.';
COMMENT ON COLUMN parlant.parlant_event.content IS 'Object: what it says; its shape depends on event_type.';
COMMENT ON COLUMN parlant.parlant_event.metadata IS 'Object: free data of the client.';
COMMENT ON COLUMN parlant.parlant_event.tool_call_id IS
    'Joins a tool_result to its tool_call; both must have one.';
COMMENT ON COLUMN parlant.parlant_event.journey_id IS
    'Journey at that time. History: no foreign key, so that deleting a journey does not rewrite the past.';
COMMENT ON COLUMN parlant.parlant_event.state_id IS 'State of that journey at that time; history, no foreign key.';
COMMENT ON COLUMN parlant.parlant_event.created_at IS 'UTC time of the event.';
COMMENT ON CONSTRAINT parlant_event_offset_key ON parlant.parlant_event IS
    'Numbers are unique in a session; reads a session in order, and follows it to its events when it is deleted.';

ALTER TABLE parlant.parlant_event ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE UNIQUE INDEX parlant_event_tool_call_key ON parlant.parlant_event
    (workspace_id, session_id, tool_call_id, event_type) WHERE tool_call_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_event_tool_call_key IS
    'A tool call has one call and one result in its session; finds the one of the other.';

CREATE INDEX parlant_event_journey ON parlant.parlant_event (workspace_id, journey_id, created_at)
    WHERE event_type = 'journey_transition';
COMMENT ON INDEX parlant.parlant_event_journey IS
    'Reads the hops through a journey in a period, to count how far sessions get. Other events do not pay for it.';

ALTER TABLE parlant.parlant_event ADD COLUMN idempotency_key text;
COMMENT ON COLUMN parlant.parlant_event.idempotency_key IS
    'Key that the client gave the event, unique in the session: to send the event again does not append it again.';
ALTER TABLE parlant.parlant_event ADD COLUMN tokens integer;
COMMENT ON COLUMN parlant.parlant_event.tokens IS 'Tokens that the event used; added to those of the session.';
ALTER TABLE parlant.parlant_event ADD COLUMN cost integer;
COMMENT ON COLUMN parlant.parlant_event.cost IS 'Cost of the event in cents; added to that of the session.';

ALTER TABLE parlant.parlant_event ADD CONSTRAINT idempotency_key_has_1_to_255_characters
    CHECK (length(idempotency_key) BETWEEN 1 AND 255);
ALTER TABLE parlant.parlant_event ADD CONSTRAINT tokens_is_not_negative CHECK (tokens >= 0);
ALTER TABLE parlant.parlant_event ADD CONSTRAINT cost_is_not_negative CHECK (cost >= 0);

CREATE UNIQUE INDEX parlant_event_idempotency_key ON parlant.parlant_event (workspace_id, session_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
COMMENT ON INDEX parlant.parlant_event_idempotency_key IS
    'An idempotency key is used once in a session; finds the event that has it. Events without a key do not pay for it.';

-- Replaced by number_event, which reads the session anyway.
DROP TRIGGER fill_workspace_id ON parlant.parlant_event;

CREATE TRIGGER begin_numbering BEFORE INSERT ON parlant.parlant_event
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.begin_numbering();
COMMENT ON TRIGGER begin_numbering ON parlant.parlant_event IS 'Begins to number the events of a statement.';

CREATE TRIGGER number_event BEFORE INSERT ON parlant.parlant_event
    FOR EACH ROW EXECUTE FUNCTION parlant.number_event();
COMMENT ON TRIGGER number_event ON parlant.parlant_event IS
    'Checks an event, gives it the next offset of its session, and fills workspace, journey and state from the session.';

CREATE TRIGGER count_events AFTER INSERT ON parlant.parlant_event
    REFERENCING NEW TABLE AS appended
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.count_events();
COMMENT ON TRIGGER count_events ON parlant.parlant_event IS
    'Brings the counters of the sessions up to date at the end of a statement, and announces the events.';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON parlant.parlant_event
    FOR EACH ROW EXECUTE FUNCTION parlant.refuse_event_change();
COMMENT ON TRIGGER refuse_change ON parlant.parlant_event IS
    'Keeps events as they are; they go only with their session.';

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON parlant.parlant_event
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.refuse_event_change();
COMMENT ON TRIGGER refuse_truncate ON parlant.parlant_event IS 'Keeps the table from being emptied.';

CREATE TRIGGER keep_to_canned_response AFTER INSERT ON parlant.parlant_event
    FOR EACH ROW WHEN (NEW.event_type = 'agent_message' AND NEW.content ? 'canned_response_id')
    EXECUTE FUNCTION parlant.check_canned_response();
COMMENT ON TRIGGER keep_to_canned_response ON parlant.parlant_event IS
    'Refuses a message of a strict agent that names a canned response and has another text.';

ALTER TABLE parlant.parlant_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_event FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read_or_being_the_customer ON parlant.parlant_event FOR SELECT
    USING (workspace_id = parlant.current_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY reading_needs_read_or_being_the_customer ON parlant.parlant_event IS
    'Events of the sessions that the transaction sees.';

CREATE POLICY inserting_needs_write_or_being_the_customer ON parlant.parlant_event FOR INSERT
    WITH CHECK (workspace_id = parlant.current_workspace_id()
        AND (workspace_id = parlant.writable_workspace_id()
            OR (NOT parlant.acts_for_user() AND event_type = 'customer_message' AND tool_call_id IS NULL))
        AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY inserting_needs_write_or_being_the_customer ON parlant.parlant_event IS
    'Events of the sessions that the transaction sees: any for a user who may write; messages of theirs for a customer.';
