-- Every event of a session updates its row: no index may hold a column that each event changes, and pages
-- keep room, so that those updates stay heap-only (HOT).
CREATE TABLE parlant.parlant_session (
    id                    uuid NOT NULL,
    workspace_id          text NOT NULL,
    agent_id              uuid NOT NULL,
    user_id               text,
    customer_id           text,
    mode                  parlant.session_mode NOT NULL DEFAULT 'auto',
    status                parlant.session_status NOT NULL DEFAULT 'active',
    title                 text,
    metadata              jsonb DEFAULT '{}',
    current_journey_id    uuid,
    current_state_id      uuid,
    variables             jsonb DEFAULT '{}',
    event_count           integer NOT NULL DEFAULT 0,
    message_count         integer NOT NULL DEFAULT 0,
    tokens_used           integer NOT NULL DEFAULT 0,
    cost                  integer NOT NULL DEFAULT 0,
    average_response_time integer,
    satisfaction_score    integer,
    session_type          text DEFAULT 'conversation',
    tags                  jsonb DEFAULT '[]',
    user_agent            text,
    ip_address            text,
    referrer              text,
    locale                text DEFAULT 'en',
    timezone              text DEFAULT 'UTC',
    started_at            timestamp NOT NULL DEFAULT timezone('utc', now()),
    last_activity_at      timestamp NOT NULL DEFAULT timezone('utc', now()),
    ended_at              timestamp,
    created_at            timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at            timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_session_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_session_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_session_agent_key UNIQUE (workspace_id, agent_id, id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT journey_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, current_journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, agent_id, id) ON DELETE SET NULL (current_journey_id),
    CONSTRAINT state_belongs_to_the_journey FOREIGN KEY (workspace_id, current_journey_id, current_state_id)
        REFERENCES parlant.parlant_journey_state (workspace_id, journey_id, id) ON DELETE SET NULL (current_state_id),
    CONSTRAINT current_state_needs_a_journey CHECK (current_state_id IS NULL OR current_journey_id IS NOT NULL),
    CONSTRAINT customer_id_has_1_to_255_characters CHECK (length(customer_id) BETWEEN 1 AND 255),
    CONSTRAINT title_has_at_most_500_characters CHECK (length(title) <= 500),
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT variables_is_an_object CHECK (jsonb_typeof(variables) = 'object'),
    CONSTRAINT tags_is_an_array CHECK (jsonb_typeof(tags) = 'array'),
    CONSTRAINT event_count_is_not_negative CHECK (event_count >= 0),
    CONSTRAINT message_count_is_not_negative CHECK (message_count >= 0),
    CONSTRAINT tokens_used_is_not_negative CHECK (tokens_used >= 0),
    CONSTRAINT cost_is_not_negative CHECK (cost >= 0),
    CONSTRAINT average_response_time_is_not_negative CHECK (average_response_time >= 0),
    CONSTRAINT satisfaction_score_is_1_to_5 CHECK (satisfaction_score BETWEEN 1 AND 5),
    CONSTRAINT session_type_is_known CHECK (
        session_type IN ('conversation', 'support', 'onboarding', 'survey', 'demo', 'feedback')),
    CONSTRAINT locale_is_a_language_tag CHECK (locale ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$'),
    CONSTRAINT timezone_has_1_to_255_characters CHECK (length(timezone) BETWEEN 1 AND 255),
    CONSTRAINT activity_is_not_before_the_start CHECK (last_activity_at >= started_at),
    CONSTRAINT end_is_not_before_the_start CHECK (ended_at >= started_at),
    CONSTRAINT ended_at_is_set_when_the_session_has_ended CHECK ((status = 'active') = (ended_at IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE parlant.parlant_session IS
    'A conversation of a user or an external customer with an agent. Its row gives its events their numbers.';
COMMENT ON COLUMN parlant.parlant_session.id IS 'Key of the session, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_session.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_session.agent_id IS 'Agent that serves the session.';
COMMENT ON COLUMN parlant.parlant_session.user_id IS
    'User of the platform who talks; NULL for a customer or nobody known.';
COMMENT ON COLUMN parlant.parlant_session.customer_id IS 'Customer who talks, by the id of an external system.';
COMMENT ON COLUMN parlant.parlant_session.mode IS 'Who answers.';
COMMENT ON COLUMN parlant.parlant_session.status IS 'Only an active session accepts events.';
COMMENT ON COLUMN parlant.parlant_session.title IS 'Caption.';
COMMENT ON COLUMN parlant.parlant_session.metadata IS 'Object: free data of the client.';
COMMENT ON COLUMN parlant.parlant_session.current_journey_id IS 'Journey that the session walks, of the same agent.';
COMMENT ON COLUMN parlant.parlant_session.current_state_id IS 'State of that journey in which the session rests.';
COMMENT ON COLUMN parlant.parlant_session.variables IS 'Object: variables of the session as the client keeps them.';
COMMENT ON COLUMN parlant.parlant_session.event_count IS 'Number of events; the next event gets it as its offset.';
COMMENT ON COLUMN parlant.parlant_session.message_count IS 'Number of customer and agent messages.';
COMMENT ON COLUMN parlant.parlant_session.tokens_used IS 'Tokens used.';
COMMENT ON COLUMN parlant.parlant_session.cost IS 'Cost in cents.';
COMMENT ON COLUMN parlant.parlant_session.average_response_time IS 'Mean time of a reply in milliseconds.';
COMMENT ON COLUMN parlant.parlant_session.satisfaction_score IS 'Rating by the customer, 1 to 5.';
COMMENT ON COLUMN parlant.parlant_session.session_type IS
    'Kind: conversation, support, onboarding, survey, demo or feedback.';
COMMENT ON COLUMN parlant.parlant_session.tags IS 'Array of tags.';
COMMENT ON COLUMN parlant.parlant_session.user_agent IS 'Software of the client.';
COMMENT ON COLUMN parlant.parlant_session.ip_address IS 'Network address of the client, anonymised by it.';
COMMENT ON COLUMN parlant.parlant_session.referrer IS 'Where the client came from.';
COMMENT ON COLUMN parlant.parlant_session.locale IS 'Language tag such as en, en-US or zh-Hant-TW.';
COMMENT ON COLUMN parlant.parlant_session.timezone IS 'IANA name of the customer''s time zone.';
COMMENT ON COLUMN parlant.parlant_session.started_at IS 'UTC time of the start.';
COMMENT ON COLUMN parlant.parlant_session.last_activity_at IS 'UTC time of the last event or sign of life.';
COMMENT ON COLUMN parlant.parlant_session.ended_at IS 'UTC time of the end; NULL exactly while the session is active.';
COMMENT ON COLUMN parlant.parlant_session.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_session.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_session_workspace_key ON parlant.parlant_session IS
    'What events and workflow runs point to, so that they cannot leave its workspace.';
COMMENT ON CONSTRAINT parlant_session_agent_key ON parlant.parlant_session IS
    'What variables point to, so that they stay with its agent.';
COMMENT ON CONSTRAINT state_belongs_to_the_journey ON parlant.parlant_session IS
    'Followed by parlant_session_journey; current_state_id is in no index, so that a hop stays a heap-only update.';

ALTER TABLE parlant.parlant_session ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_session_active ON parlant.parlant_session (workspace_id, last_activity_at DESC)
    WHERE status = 'active';
COMMENT ON INDEX parlant.parlant_session_active IS
    'Lists the active sessions of a workspace, latest first; finds those that have been idle.';

CREATE INDEX parlant_session_start ON parlant.parlant_session (workspace_id, agent_id, started_at DESC);
COMMENT ON INDEX parlant.parlant_session_start IS 'Lists the sessions of an agent by start, also for a period.';

CREATE INDEX parlant_session_end ON parlant.parlant_session (workspace_id, agent_id, ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_end IS 'Finds the ended sessions of an agent whose retention is over.';

CREATE INDEX parlant_session_user ON parlant.parlant_session (user_id, workspace_id, started_at DESC)
    WHERE user_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_user IS 'Lists the sessions of a user, also when that user is deleted.';

CREATE INDEX parlant_session_customer ON parlant.parlant_session (workspace_id, customer_id, started_at DESC)
    WHERE customer_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_customer IS 'Lists the sessions of a customer, also to erase them.';

CREATE INDEX parlant_session_journey ON parlant.parlant_session (workspace_id, current_journey_id)
    WHERE current_journey_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_journey IS 'Finds the sessions inside a journey, also when it or a state is deleted.';

-- Replaced by begin_session, which reads the agent anyway.
DROP TRIGGER fill_workspace_id ON parlant.parlant_session;

CREATE TRIGGER begin_session BEFORE INSERT ON parlant.parlant_session
    FOR EACH ROW EXECUTE FUNCTION parlant.begin_session();
COMMENT ON TRIGGER begin_session ON parlant.parlant_session IS
    'Sees to it that the agent is active, fills workspace_id from it, and starts the counters at 0.';

-- Replaced by keep_session, which runs for every update anyway.
DROP TRIGGER set_updated_at ON parlant.parlant_session;

CREATE TRIGGER keep_session BEFORE UPDATE ON parlant.parlant_session
    FOR EACH ROW EXECUTE FUNCTION parlant.keep_session();
COMMENT ON TRIGGER keep_session ON parlant.parlant_session IS
    'Leaves event_count and message_count to the log, keeps an ended session ended, and keeps updated_at.';

CREATE TRIGGER leave_state_with_journey BEFORE INSERT OR UPDATE ON parlant.parlant_session
    FOR EACH ROW WHEN (NEW.current_journey_id IS NULL AND NEW.current_state_id IS NOT NULL)
    EXECUTE FUNCTION parlant.leave_state_with_journey();
COMMENT ON TRIGGER leave_state_with_journey ON parlant.parlant_session IS
    'Clears current_state_id when the session leaves its journey or the journey is deleted.';

CREATE TRIGGER keep_journey_totals BEFORE DELETE ON parlant.parlant_session
    FOR EACH ROW EXECUTE FUNCTION parlant.keep_journey_totals();
COMMENT ON TRIGGER keep_journey_totals ON parlant.parlant_session IS
    'Keeps what a deleted session adds to the totals of journeys and transitions, while its events are still there.';

CREATE TRIGGER set_ended_at BEFORE INSERT OR UPDATE ON parlant.parlant_session
    FOR EACH ROW WHEN (NEW.status <> 'active' AND NEW.ended_at IS NULL)
    EXECUTE FUNCTION parlant.set_ended_at();
COMMENT ON TRIGGER set_ended_at ON parlant.parlant_session IS 'Sets ended_at when a client ends a session by its status alone.';

CREATE TRIGGER keep_totals AFTER DELETE ON parlant.parlant_session
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.keep_totals();
COMMENT ON TRIGGER keep_totals ON parlant.parlant_session IS
    'Keeps what the deleted sessions add to the totals of their agents.';

ALTER TABLE parlant.parlant_session ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_session FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read_or_being_the_customer ON parlant.parlant_session FOR SELECT
    USING (workspace_id = parlant.current_workspace_id()
        AND parlant.shows_session_of(workspace_id, agent_id, customer_id));
COMMENT ON POLICY reading_needs_read_or_being_the_customer ON parlant.parlant_session IS
    'Sessions of the workspace that the transaction acts in: all for a user who may read it, their own for a customer, '
    'unless their agent is soft-deleted.';

CREATE POLICY inserting_needs_write_or_being_the_customer ON parlant.parlant_session FOR INSERT
    WITH CHECK (workspace_id = parlant.current_workspace_id()
        AND (workspace_id = parlant.writable_workspace_id()
            OR (customer_id = parlant.current_customer_id() AND user_id IS NULL AND status = 'active'
                AND current_journey_id IS NULL))
        AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write_or_being_the_customer ON parlant.parlant_session IS
    'Sessions of the workspace that the transaction acts in: any for a user who may write it; for a customer their own, '
    'active and outside any journey, for no user.';

CREATE POLICY updating_needs_write ON parlant.parlant_session FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_session IS
    'Sessions of the workspace that the transaction acts in, for a user who may write it, unless their agent is soft-deleted.';

CREATE POLICY deleting_needs_write ON parlant.parlant_session FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_session IS
    'Sessions of the workspace that the transaction acts in, for a user who may write it, unless their agent is soft-deleted.';
