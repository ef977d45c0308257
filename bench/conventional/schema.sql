-- What application teams write today: tables with the keys, indexes and checks that they can have, counters and totals
-- kept by a trigger, policies that look up the memberships of the user, and the numbers of events made by the client.
CREATE SCHEMA conventional;

CREATE TABLE conventional.workspace_member (
    user_id      text NOT NULL,
    workspace_id text NOT NULL,
    permission   text NOT NULL CHECK (permission IN ('read', 'write', 'admin')),
    PRIMARY KEY (user_id, workspace_id)
);

CREATE TABLE conventional.agent (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id   text NOT NULL,
    name           text NOT NULL,
    system_prompt  text,
    total_messages bigint NOT NULL DEFAULT 0,
    total_tokens   bigint NOT NULL DEFAULT 0,
    last_active_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX ON conventional.agent (workspace_id);

CREATE TABLE conventional.journey (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    title        text NOT NULL,
    enabled      boolean NOT NULL DEFAULT true
);
CREATE INDEX ON conventional.journey (agent_id);

CREATE TABLE conventional.journey_state (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    journey_id   uuid NOT NULL REFERENCES conventional.journey ON DELETE CASCADE,
    name         text NOT NULL,
    state_type   text NOT NULL,
    prompt       text,
    is_initial   boolean NOT NULL DEFAULT false,
    is_final     boolean NOT NULL DEFAULT false,
    UNIQUE (journey_id, name)
);

CREATE TABLE conventional.journey_transition (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id   text NOT NULL,
    journey_id     uuid NOT NULL REFERENCES conventional.journey ON DELETE CASCADE,
    from_state_id  uuid NOT NULL REFERENCES conventional.journey_state ON DELETE CASCADE,
    to_state_id    uuid NOT NULL REFERENCES conventional.journey_state ON DELETE CASCADE,
    condition      text,
    condition_kind text NOT NULL DEFAULT 'natural',
    priority       integer NOT NULL DEFAULT 100
);
CREATE INDEX ON conventional.journey_transition (from_state_id);
CREATE INDEX ON conventional.journey_transition (to_state_id);

CREATE TABLE conventional.session (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id       text NOT NULL,
    agent_id           uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    customer_id        text,
    status             text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'abandoned')),
    variables          jsonb NOT NULL DEFAULT '{}',
    current_journey_id uuid REFERENCES conventional.journey ON DELETE SET NULL,
    current_state_id   uuid REFERENCES conventional.journey_state ON DELETE SET NULL,
    event_count        integer NOT NULL DEFAULT 0,
    message_count      integer NOT NULL DEFAULT 0,
    tokens_used        integer NOT NULL DEFAULT 0,
    started_at         timestamptz NOT NULL DEFAULT now(),
    last_activity_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX ON conventional.session (agent_id, started_at);

CREATE TABLE conventional.event (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    session_id   uuid NOT NULL REFERENCES conventional.session ON DELETE CASCADE,
    "offset"     integer NOT NULL CHECK ("offset" >= 0),
    event_type   text NOT NULL CHECK (event_type IN ('customer_message', 'agent_message', 'tool_call', 'tool_result',
                     'status_update', 'journey_transition', 'variable_update')),
    content      jsonb NOT NULL,
    metadata     jsonb NOT NULL DEFAULT '{}',
    tool_call_id text,
    tokens       integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (session_id, "offset")
);

CREATE TABLE conventional.guideline (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    condition    text NOT NULL,
    action       text NOT NULL,
    priority     integer NOT NULL DEFAULT 100,
    enabled      boolean NOT NULL DEFAULT true,
    tool_ids     jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX ON conventional.guideline (agent_id, priority DESC) WHERE enabled;

CREATE TABLE conventional.journey_guideline (
    journey_id        uuid NOT NULL REFERENCES conventional.journey ON DELETE CASCADE,
    guideline_id      uuid NOT NULL REFERENCES conventional.guideline ON DELETE CASCADE,
    workspace_id      text NOT NULL,
    priority_override integer,
    PRIMARY KEY (journey_id, guideline_id)
);

CREATE TABLE conventional.tool (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    name         text NOT NULL,
    description  text NOT NULL,
    parameters   jsonb NOT NULL,
    enabled      boolean NOT NULL DEFAULT true
);

CREATE TABLE conventional.agent_tool (
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    tool_id      uuid NOT NULL REFERENCES conventional.tool ON DELETE CASCADE,
    workspace_id text NOT NULL,
    priority     integer NOT NULL DEFAULT 100,
    PRIMARY KEY (agent_id, tool_id)
);

CREATE TABLE conventional.term (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    name         text NOT NULL,
    description  text NOT NULL,
    synonyms     jsonb NOT NULL DEFAULT '[]',
    importance   integer NOT NULL DEFAULT 100,
    UNIQUE (agent_id, name)
);

CREATE TABLE conventional.canned_response (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    template     text NOT NULL,
    category     text,
    priority     integer NOT NULL DEFAULT 100,
    enabled      boolean NOT NULL DEFAULT true,
    search       tsvector GENERATED ALWAYS AS (to_tsvector('english', template)) STORED
);
CREATE INDEX ON conventional.canned_response (agent_id, priority DESC) WHERE enabled;

CREATE TABLE conventional.variable (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id text NOT NULL,
    agent_id     uuid NOT NULL REFERENCES conventional.agent ON DELETE CASCADE,
    session_id   uuid REFERENCES conventional.session ON DELETE CASCADE,
    key          text NOT NULL,
    value        jsonb NOT NULL,
    UNIQUE NULLS NOT DISTINCT (agent_id, session_id, key)
);

-- By the owner's rights, so that counting does not evaluate policies.
CREATE FUNCTION conventional.count_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    is_message boolean := NEW.event_type IN ('customer_message', 'agent_message');
    busy_agent uuid;
BEGIN
    UPDATE conventional.session
    SET event_count = event_count + 1, message_count = message_count + is_message::integer,
        tokens_used = tokens_used + NEW.tokens, last_activity_at = now()
    WHERE id = NEW.session_id RETURNING agent_id INTO busy_agent;
    UPDATE conventional.agent
    SET total_messages = total_messages + is_message::integer, total_tokens = total_tokens + NEW.tokens,
        last_active_at = now()
    WHERE id = busy_agent;
    RETURN NULL;
END $$;
CREATE TRIGGER count_event AFTER INSERT ON conventional.event
    FOR EACH ROW EXECUTE FUNCTION conventional.count_event();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agent', 'journey', 'journey_state', 'journey_transition', 'session', 'event', 'guideline',
                                'journey_guideline', 'tool', 'agent_tool', 'term', 'canned_response', 'variable'] LOOP
        EXECUTE format($policy$
            ALTER TABLE conventional.%1$I ENABLE ROW LEVEL SECURITY;
            CREATE POLICY members_read ON conventional.%1$I FOR SELECT USING (workspace_id IN (
                SELECT member.workspace_id FROM conventional.workspace_member AS member
                WHERE member.user_id = current_setting('app.user_id', true)));
            CREATE POLICY writers_insert ON conventional.%1$I FOR INSERT WITH CHECK (workspace_id IN (
                SELECT member.workspace_id FROM conventional.workspace_member AS member
                WHERE member.user_id = current_setting('app.user_id', true) AND member.permission IN ('write', 'admin')));
            CREATE POLICY writers_update ON conventional.%1$I FOR UPDATE USING (workspace_id IN (
                SELECT member.workspace_id FROM conventional.workspace_member AS member
                WHERE member.user_id = current_setting('app.user_id', true) AND member.permission IN ('write', 'admin')));
        $policy$, name);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA conventional TO application;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA conventional TO application;
