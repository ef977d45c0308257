-- The labels of the data model. They are domains over text, not enums: a label's equality is then
-- leakproof, so indexes work under row-level security, and later versions can add labels.

CREATE DOMAIN parlant.agent_status AS text
    CONSTRAINT agent_status_is_known CHECK (VALUE IN ('active', 'inactive', 'archived'));
COMMENT ON DOMAIN parlant.agent_status IS
    'Life cycle of an agent: active may start sessions, inactive finishes the ones it has, archived is history.';

CREATE DOMAIN parlant.composition_mode AS text
    CONSTRAINT composition_mode_is_known CHECK (VALUE IN ('fluid', 'strict'));
COMMENT ON DOMAIN parlant.composition_mode IS
    'How freely an agent words its replies: fluid writes its own, strict keeps to canned responses.';

CREATE DOMAIN parlant.session_mode AS text
    CONSTRAINT session_mode_is_known CHECK (VALUE IN ('auto', 'manual', 'paused'));
COMMENT ON DOMAIN parlant.session_mode IS
    'Who answers in a session: auto = the agent, manual = the agent after approval, paused = nobody.';

CREATE DOMAIN parlant.session_status AS text
    CONSTRAINT session_status_is_known CHECK (VALUE IN ('active', 'completed', 'abandoned'));
COMMENT ON DOMAIN parlant.session_status IS
    'Life cycle of a session: active accepts events; completed and abandoned have ended.';

CREATE DOMAIN parlant.event_type AS text
    CONSTRAINT event_type_is_known CHECK (VALUE IN (
        'customer_message', 'agent_message', 'tool_call', 'tool_result',
        'status_update', 'journey_transition', 'variable_update'));
COMMENT ON DOMAIN parlant.event_type IS 'What an event of a session records.';

CREATE DOMAIN parlant.journey_state_type AS text
    CONSTRAINT journey_state_type_is_known CHECK (VALUE IN ('chat', 'tool', 'decision', 'final'));
COMMENT ON DOMAIN parlant.journey_state_type IS
    'What happens in a journey state: chat waits for the customer, tool calls a tool, decision only chooses, final ends.';
