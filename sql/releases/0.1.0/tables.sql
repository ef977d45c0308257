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

CREATE TABLE parlant.parlant_agent (
    id                       uuid NOT NULL,
    workspace_id             text NOT NULL,
    created_by               text,
    name                     text NOT NULL,
    description              text,
    status                   parlant.agent_status NOT NULL DEFAULT 'active',
    composition_mode         parlant.composition_mode NOT NULL DEFAULT 'fluid',
    system_prompt            text,
    model_provider           text NOT NULL DEFAULT 'openai',
    model_name               text NOT NULL DEFAULT 'gpt-4',
    temperature              integer DEFAULT 70,
    max_tokens               integer DEFAULT 2000,
    response_timeout_ms      integer DEFAULT 30000,
    max_context_length       integer DEFAULT 8000,
    system_instructions      text,
    allow_interruption       boolean NOT NULL DEFAULT true,
    allow_proactive_messages boolean NOT NULL DEFAULT false,
    conversation_style       text DEFAULT 'professional',
    data_retention_days      integer DEFAULT 30,
    allow_data_export        boolean NOT NULL DEFAULT true,
    pii_handling_mode        text DEFAULT 'standard',
    integration_metadata     jsonb DEFAULT '{}',
    custom_config            jsonb DEFAULT '{}',
    total_sessions           integer NOT NULL DEFAULT 0,
    total_messages           integer NOT NULL DEFAULT 0,
    total_tokens_used        integer NOT NULL DEFAULT 0,
    total_cost               integer NOT NULL DEFAULT 0,
    average_session_duration integer,
    last_active_at           timestamp,
    created_at               timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at               timestamp NOT NULL DEFAULT timezone('utc', now()),
    deleted_at               timestamp,

    CONSTRAINT parlant_agent_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT system_prompt_has_at_most_10000_characters CHECK (length(system_prompt) <= 10000),
    CONSTRAINT system_instructions_has_at_most_10000_characters CHECK (length(system_instructions) <= 10000),
    CONSTRAINT model_provider_has_1_to_255_characters
        CHECK (length(model_provider) <= 255 AND btrim(model_provider) <> ''),
    CONSTRAINT model_name_has_1_to_255_characters CHECK (length(model_name) <= 255 AND btrim(model_name) <> ''),
    CONSTRAINT temperature_is_0_to_100 CHECK (temperature BETWEEN 0 AND 100),
    CONSTRAINT max_tokens_is_1_to_1000000 CHECK (max_tokens BETWEEN 1 AND 1000000),
    CONSTRAINT response_timeout_ms_is_1_to_3600000 CHECK (response_timeout_ms BETWEEN 1 AND 3600000),
    CONSTRAINT max_context_length_is_1_to_1000000 CHECK (max_context_length BETWEEN 1 AND 1000000),
    CONSTRAINT conversation_style_is_known
        CHECK (conversation_style IN ('casual', 'professional', 'technical', 'friendly')),
    CONSTRAINT data_retention_days_is_1_to_3650 CHECK (data_retention_days BETWEEN 1 AND 3650),
    CONSTRAINT pii_handling_mode_is_known CHECK (pii_handling_mode IN ('strict', 'standard', 'relaxed')),
    CONSTRAINT integration_metadata_is_an_object CHECK (jsonb_typeof(integration_metadata) = 'object'),
    CONSTRAINT custom_config_is_an_object CHECK (jsonb_typeof(custom_config) = 'object'),
    CONSTRAINT total_sessions_is_not_negative CHECK (total_sessions >= 0),
    CONSTRAINT total_messages_is_not_negative CHECK (total_messages >= 0),
    CONSTRAINT total_tokens_used_is_not_negative CHECK (total_tokens_used >= 0),
    CONSTRAINT total_cost_is_not_negative CHECK (total_cost >= 0),
    CONSTRAINT average_session_duration_is_not_negative CHECK (average_session_duration >= 0)
);
COMMENT ON TABLE parlant.parlant_agent IS
    'A conversational agent of a workspace: its model, behaviour switches, privacy settings and lifetime totals.';
COMMENT ON COLUMN parlant.parlant_agent.id IS 'Key of the agent, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent.workspace_id IS 'Workspace that owns the agent and everything below it.';
COMMENT ON COLUMN parlant.parlant_agent.created_by IS 'User who created the agent; NULL once that user is deleted.';
COMMENT ON COLUMN parlant.parlant_agent.name IS
    'Display name, unique in the workspace among agents that are not deleted, whatever the case.';
COMMENT ON COLUMN parlant.parlant_agent.description IS 'What the agent is for.';
COMMENT ON COLUMN parlant.parlant_agent.status IS 'Only an active agent may start sessions.';
COMMENT ON COLUMN parlant.parlant_agent.composition_mode IS 'How freely the agent words its replies.';
COMMENT ON COLUMN parlant.parlant_agent.system_prompt IS 'Base instruction for the model.';
COMMENT ON COLUMN parlant.parlant_agent.model_provider IS 'Vendor of the model, such as openai.';
COMMENT ON COLUMN parlant.parlant_agent.model_name IS 'Name of the model at its vendor.';
COMMENT ON COLUMN parlant.parlant_agent.temperature IS 'Sampling temperature in percent, 0 to 100.';
COMMENT ON COLUMN parlant.parlant_agent.max_tokens IS 'Largest number of tokens of one reply.';
COMMENT ON COLUMN parlant.parlant_agent.response_timeout_ms IS 'Longest time for one reply, in milliseconds.';
COMMENT ON COLUMN parlant.parlant_agent.max_context_length IS 'Context window budget in tokens.';
COMMENT ON COLUMN parlant.parlant_agent.system_instructions IS 'Instructions for the model besides system_prompt.';
COMMENT ON COLUMN parlant.parlant_agent.allow_interruption IS 'The customer may interrupt a reply.';
COMMENT ON COLUMN parlant.parlant_agent.allow_proactive_messages IS 'The agent may write without being asked.';
COMMENT ON COLUMN parlant.parlant_agent.conversation_style IS 'Tone: casual, professional, technical or friendly.';
COMMENT ON COLUMN parlant.parlant_agent.data_retention_days IS
    'Days that an ended session is kept after its end; NULL keeps it for ever.';
COMMENT ON COLUMN parlant.parlant_agent.allow_data_export IS 'Sessions of the agent may be exported.';
COMMENT ON COLUMN parlant.parlant_agent.pii_handling_mode IS
    'Care with personal data: strict (masked in transcripts and exports), standard or relaxed.';
COMMENT ON COLUMN parlant.parlant_agent.integration_metadata IS 'Object: data of external systems.';
COMMENT ON COLUMN parlant.parlant_agent.custom_config IS
    'Object: free configuration, by convention personality, capabilities and restrictions.';
COMMENT ON COLUMN parlant.parlant_agent.total_sessions IS 'Sessions so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_agent.total_messages IS
    'Customer and agent messages so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_agent.total_tokens_used IS 'Tokens so far; folded from the sessions, may lag.';
COMMENT ON COLUMN parlant.parlant_agent.total_cost IS 'Cost so far in cents; folded from the sessions, may lag.';
COMMENT ON COLUMN parlant.parlant_agent.average_session_duration IS 'Mean length of ended sessions in seconds.';
COMMENT ON COLUMN parlant.parlant_agent.last_active_at IS 'UTC time of the last session or message; may lag.';
COMMENT ON COLUMN parlant.parlant_agent.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON COLUMN parlant.parlant_agent.deleted_at IS
    'UTC time of deletion; NULL while the agent lives. A deleted agent is hidden with everything below it.';
COMMENT ON CONSTRAINT parlant_agent_workspace_key ON parlant.parlant_agent IS
    'What references to an agent point to, so that they cannot leave its workspace; lists a workspace''s agents.';

ALTER TABLE parlant.parlant_agent ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE UNIQUE INDEX parlant_agent_name_key ON parlant.parlant_agent (workspace_id, lower(name)) WHERE deleted_at IS NULL;
COMMENT ON INDEX parlant.parlant_agent_name_key IS
    'Makes names unique among living agents of a workspace; finds an agent by name.';

CREATE INDEX parlant_agent_activity ON parlant.parlant_agent (workspace_id, last_active_at DESC NULLS LAST)
    WHERE deleted_at IS NULL;
COMMENT ON INDEX parlant.parlant_agent_activity IS 'Lists the living agents of a workspace, latest active first.';

CREATE INDEX parlant_agent_creator ON parlant.parlant_agent (created_by, workspace_id) WHERE created_by IS NOT NULL;
COMMENT ON INDEX parlant.parlant_agent_creator IS 'Finds the agents of a user, also when that user is deleted.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent IS 'Keeps updated_at.';

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

CREATE TABLE parlant.parlant_canned_response (
    id                   uuid NOT NULL,
    workspace_id         text NOT NULL,
    agent_id             uuid NOT NULL,
    template             text NOT NULL,
    category             text,
    tags                 jsonb DEFAULT '[]',
    conditions           jsonb DEFAULT '[]',
    priority             integer NOT NULL DEFAULT 100,
    enabled              boolean NOT NULL DEFAULT true,
    requires_exact_match boolean NOT NULL DEFAULT false,
    use_count            integer NOT NULL DEFAULT 0,
    last_used_at         timestamp,
    created_at           timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at           timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_canned_response_pkey PRIMARY KEY (id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT template_has_1_to_5000_characters CHECK (length(template) <= 5000 AND btrim(template) <> ''),
    CONSTRAINT category_has_at_most_100_characters CHECK (length(category) <= 100),
    CONSTRAINT tags_is_an_array CHECK (jsonb_typeof(tags) = 'array'),
    CONSTRAINT conditions_is_an_array CHECK (jsonb_typeof(conditions) = 'array'),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_canned_response IS 'A pre-approved answer of an agent, as a template.';
COMMENT ON COLUMN parlant.parlant_canned_response.id IS
    'Key of the canned response, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_canned_response.workspace_id IS
    'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_canned_response.agent_id IS 'Agent that may answer with it.';
COMMENT ON COLUMN parlant.parlant_canned_response.template IS 'Text of the answer with placeholders.';
COMMENT ON COLUMN parlant.parlant_canned_response.category IS 'Group, for finding it.';
COMMENT ON COLUMN parlant.parlant_canned_response.tags IS 'Array of tags, for finding it.';
COMMENT ON COLUMN parlant.parlant_canned_response.conditions IS
    'Array of conditions of which one must hold; empty means always.';
COMMENT ON COLUMN parlant.parlant_canned_response.priority IS '1 to 1000; higher is preferred.';
COMMENT ON COLUMN parlant.parlant_canned_response.enabled IS 'A disabled response is kept and not used.';
COMMENT ON COLUMN parlant.parlant_canned_response.requires_exact_match IS 'Only an exact match finds it, not a fuzzy one.';
COMMENT ON COLUMN parlant.parlant_canned_response.use_count IS 'Uses so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_canned_response.last_used_at IS 'UTC time of the last use; may lag.';
COMMENT ON COLUMN parlant.parlant_canned_response.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_canned_response.updated_at IS 'UTC time of the last change, kept by a trigger.';

ALTER TABLE parlant.parlant_canned_response ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_canned_response_priority ON parlant.parlant_canned_response
    (workspace_id, agent_id, priority DESC, created_at, id);
COMMENT ON INDEX parlant.parlant_canned_response_priority IS
    'Reads the canned responses of an agent in their order; follows an agent to them when it is deleted.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_canned_response
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_canned_response IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_canned_response
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_canned_response IS 'Keeps updated_at.';

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

CREATE TABLE parlant.parlant_tool (
    id                    uuid NOT NULL,
    workspace_id          text NOT NULL,
    name                  text NOT NULL,
    display_name          text NOT NULL,
    description           text NOT NULL,
    sim_tool_id           text,
    tool_type             text NOT NULL,
    parameters            jsonb NOT NULL,
    return_schema         jsonb,
    usage_guidelines      text,
    error_handling        jsonb DEFAULT '{}',
    execution_timeout     integer DEFAULT 30000,
    retry_policy          jsonb DEFAULT '{"max_attempts": 3, "backoff_ms": 1000}',
    rate_limit_per_minute integer DEFAULT 60,
    rate_limit_per_hour   integer DEFAULT 1000,
    requires_auth         boolean NOT NULL DEFAULT false,
    auth_type             text,
    auth_config           jsonb DEFAULT '{}',
    enabled               boolean NOT NULL DEFAULT true,
    is_public             boolean NOT NULL DEFAULT false,
    is_deprecated         boolean NOT NULL DEFAULT false,
    use_count             integer NOT NULL DEFAULT 0,
    success_rate          integer DEFAULT 100,
    last_used_at          timestamp,
    created_at            timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at            timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_tool_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_tool_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_tool_name_key UNIQUE (workspace_id, name),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT name_is_an_identifier CHECK (length(name) <= 255 AND name ~ '^[a-zA-Z][a-zA-Z0-9_-]*$'),
    CONSTRAINT display_name_has_1_to_255_characters CHECK (length(display_name) <= 255 AND btrim(display_name) <> ''),
    CONSTRAINT description_has_1_to_2000_characters CHECK (length(description) <= 2000 AND btrim(description) <> ''),
    CONSTRAINT sim_tool_id_has_at_most_255_characters CHECK (length(sim_tool_id) <= 255),
    CONSTRAINT tool_type_is_known CHECK (tool_type IN ('sim_native', 'custom', 'external', 'system')),
    CONSTRAINT parameters_is_an_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT return_schema_is_an_object CHECK (jsonb_typeof(return_schema) = 'object'),
    CONSTRAINT usage_guidelines_has_at_most_3000_characters CHECK (length(usage_guidelines) <= 3000),
    CONSTRAINT error_handling_is_an_object CHECK (jsonb_typeof(error_handling) = 'object'),
    CONSTRAINT execution_timeout_is_1_to_3600000 CHECK (execution_timeout BETWEEN 1 AND 3600000),
    CONSTRAINT retry_policy_is_an_object CHECK (jsonb_typeof(retry_policy) = 'object'),
    CONSTRAINT rate_limit_per_minute_is_positive CHECK (rate_limit_per_minute > 0),
    CONSTRAINT rate_limit_per_hour_is_positive CHECK (rate_limit_per_hour > 0),
    CONSTRAINT auth_type_is_known CHECK (auth_type IN ('api_key', 'oauth', 'basic', 'bearer', 'none')),
    CONSTRAINT auth_config_is_an_object CHECK (jsonb_typeof(auth_config) = 'object'),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0),
    CONSTRAINT success_rate_is_0_to_100 CHECK (success_rate BETWEEN 0 AND 100)
);
COMMENT ON TABLE parlant.parlant_tool IS 'A function that agents of a workspace may call.';
COMMENT ON COLUMN parlant.parlant_tool.id IS 'Key of the tool, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_tool.workspace_id IS 'Workspace that owns the tool.';
COMMENT ON COLUMN parlant.parlant_tool.name IS 'Identifier that models call it by, unique in the workspace.';
COMMENT ON COLUMN parlant.parlant_tool.display_name IS 'Caption for people.';
COMMENT ON COLUMN parlant.parlant_tool.description IS 'What the tool does; models choose by it.';
COMMENT ON COLUMN parlant.parlant_tool.sim_tool_id IS 'Id of the host platform''s tool that it wraps.';
COMMENT ON COLUMN parlant.parlant_tool.tool_type IS 'Where it runs: sim_native, custom, external or system.';
COMMENT ON COLUMN parlant.parlant_tool.parameters IS 'JSON Schema of the arguments, an object.';
COMMENT ON COLUMN parlant.parlant_tool.return_schema IS 'JSON Schema of the result, an object.';
COMMENT ON COLUMN parlant.parlant_tool.usage_guidelines IS 'Hints on when and how to use it, in natural language.';
COMMENT ON COLUMN parlant.parlant_tool.error_handling IS 'Object: what to do when a call fails.';
COMMENT ON COLUMN parlant.parlant_tool.execution_timeout IS 'Longest time of a call, in milliseconds.';
COMMENT ON COLUMN parlant.parlant_tool.retry_policy IS 'Object: max_attempts and backoff_ms.';
COMMENT ON COLUMN parlant.parlant_tool.rate_limit_per_minute IS 'Most calls in any 60 seconds; NULL is no limit.';
COMMENT ON COLUMN parlant.parlant_tool.rate_limit_per_hour IS 'Most calls in any 60 minutes; NULL is no limit.';
COMMENT ON COLUMN parlant.parlant_tool.requires_auth IS 'Calls need credentials.';
COMMENT ON COLUMN parlant.parlant_tool.auth_type IS 'Kind of credentials: api_key, oauth, basic, bearer or none.';
COMMENT ON COLUMN parlant.parlant_tool.auth_config IS
    'Object: settings for the credentials. Put references here, not secrets.';
COMMENT ON COLUMN parlant.parlant_tool.enabled IS 'A disabled tool is kept and cannot be called.';
COMMENT ON COLUMN parlant.parlant_tool.is_public IS 'Every agent of the workspace may use it without assignment.';
COMMENT ON COLUMN parlant.parlant_tool.is_deprecated IS 'Superseded; kept for history.';
COMMENT ON COLUMN parlant.parlant_tool.use_count IS 'Calls so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_tool.success_rate IS 'Percent of calls that succeeded; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_tool.last_used_at IS 'UTC time of the last call; may lag.';
COMMENT ON COLUMN parlant.parlant_tool.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_tool.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_tool_workspace_key ON parlant.parlant_tool IS
    'What references to a tool point to, so that they cannot leave its workspace; lists a workspace''s tools.';
COMMENT ON CONSTRAINT parlant_tool_name_key ON parlant.parlant_tool IS
    'Makes names unique in a workspace; finds a tool by name.';

ALTER TABLE parlant.parlant_tool ALTER COLUMN id SET DEFAULT parlant.uuidv7();


CREATE INDEX parlant_tool_host_tool ON parlant.parlant_tool (workspace_id, sim_tool_id) WHERE sim_tool_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_tool_host_tool IS 'Finds the tool that wraps a tool of the host platform.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_tool IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_tool_integration (
    id                uuid NOT NULL,
    workspace_id      text NOT NULL,
    parlant_tool_id   uuid NOT NULL,
    integration_type  text NOT NULL,
    target_id         text NOT NULL,
    configuration     jsonb DEFAULT '{}',
    enabled           boolean NOT NULL DEFAULT true,
    parameter_mapping jsonb DEFAULT '{}',
    response_mapping  jsonb DEFAULT '{}',
    last_health_check timestamp,
    health_status     text DEFAULT 'unknown',
    error_count       integer NOT NULL DEFAULT 0,
    last_error        text,
    created_at        timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at        timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_tool_integration_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_tool_integration_target_key
        UNIQUE (workspace_id, parlant_tool_id, integration_type, target_id),
    CONSTRAINT tool_is_in_the_workspace FOREIGN KEY (workspace_id, parlant_tool_id)
        REFERENCES parlant.parlant_tool (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT integration_type_is_known CHECK (integration_type IN ('custom_tool', 'workflow_block', 'mcp_server')),
    CONSTRAINT target_id_has_1_to_255_characters CHECK (length(target_id) <= 255 AND btrim(target_id) <> ''),
    CONSTRAINT configuration_is_an_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT parameter_mapping_is_an_object CHECK (jsonb_typeof(parameter_mapping) = 'object'),
    CONSTRAINT response_mapping_is_an_object CHECK (jsonb_typeof(response_mapping) = 'object'),
    CONSTRAINT health_status_is_known CHECK (health_status IN ('healthy', 'degraded', 'unhealthy', 'unknown')),
    CONSTRAINT error_count_is_not_negative CHECK (error_count >= 0)
);
COMMENT ON TABLE parlant.parlant_tool_integration IS
    'What a tool really runs: a custom tool, a workflow block or a tool of an MCP server of the host platform.';
COMMENT ON COLUMN parlant.parlant_tool_integration.id IS
    'Key of the integration, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_tool_integration.workspace_id IS
    'Workspace of the tool; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_tool_integration.parlant_tool_id IS 'The tool.';
COMMENT ON COLUMN parlant.parlant_tool_integration.integration_type IS
    'Kind of target: custom_tool, workflow_block or mcp_server.';
COMMENT ON COLUMN parlant.parlant_tool_integration.target_id IS
    'Id of the target on the host platform; no foreign key, as its table depends on integration_type.';
COMMENT ON COLUMN parlant.parlant_tool_integration.configuration IS 'Object: settings of the binding.';
COMMENT ON COLUMN parlant.parlant_tool_integration.enabled IS 'A disabled integration is kept and not used.';
COMMENT ON COLUMN parlant.parlant_tool_integration.parameter_mapping IS
    'Object: name of a tool''s parameter to name of the target''s.';
COMMENT ON COLUMN parlant.parlant_tool_integration.response_mapping IS
    'Object: name in the target''s response to name in the tool''s.';
COMMENT ON COLUMN parlant.parlant_tool_integration.last_health_check IS 'UTC time of the last health report.';
COMMENT ON COLUMN parlant.parlant_tool_integration.health_status IS 'healthy, degraded, unhealthy or unknown.';
COMMENT ON COLUMN parlant.parlant_tool_integration.error_count IS 'Failures reported since the last success.';
COMMENT ON COLUMN parlant.parlant_tool_integration.last_error IS 'Text of the last failure.';
COMMENT ON COLUMN parlant.parlant_tool_integration.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_tool_integration.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_tool_integration_target_key ON parlant.parlant_tool_integration IS
    'One integration a tool and target; follows a tool to its integrations.';

ALTER TABLE parlant.parlant_tool_integration ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_tool_integration_target ON parlant.parlant_tool_integration
    (workspace_id, integration_type, target_id);
COMMENT ON INDEX parlant.parlant_tool_integration_target IS 'Finds the tools that a target of the host platform serves.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_tool_integration
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('parlant_tool_id', 'parlant_tool', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_tool_integration IS 'Fills workspace_id from the tool.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_tool_integration
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_tool_integration IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_agent_tool (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    agent_id      uuid NOT NULL,
    tool_id       uuid NOT NULL,
    configuration jsonb DEFAULT '{}',
    enabled       boolean NOT NULL DEFAULT true,
    priority      integer NOT NULL DEFAULT 100,
    use_count     integer NOT NULL DEFAULT 0,
    last_used_at  timestamp,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_tool_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_tool_key UNIQUE (workspace_id, agent_id, tool_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT tool_is_in_the_workspace FOREIGN KEY (workspace_id, tool_id)
        REFERENCES parlant.parlant_tool (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT configuration_is_an_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_tool IS 'Assignment of a tool to an agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.id IS 'Key of the assignment, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_tool.workspace_id IS
    'Workspace of the agent and of the tool; filled from the agent when left out.';
COMMENT ON COLUMN parlant.parlant_agent_tool.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.tool_id IS 'The tool.';
COMMENT ON COLUMN parlant.parlant_agent_tool.configuration IS
    'Object: overrides of the tool''s settings for this agent.';
COMMENT ON COLUMN parlant.parlant_agent_tool.enabled IS 'A disabled assignment is kept and not used.';
COMMENT ON COLUMN parlant.parlant_agent_tool.priority IS '1 to 1000; higher is preferred.';
COMMENT ON COLUMN parlant.parlant_agent_tool.use_count IS 'Calls by this agent; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_agent_tool.last_used_at IS 'UTC time of the last call by this agent; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_tool.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_tool.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_tool_key ON parlant.parlant_agent_tool IS
    'A tool is assigned to an agent once; reads the tools of an agent.';

ALTER TABLE parlant.parlant_agent_tool ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_tool_tool ON parlant.parlant_agent_tool (workspace_id, tool_id);
COMMENT ON INDEX parlant.parlant_agent_tool_tool IS 'Follows a tool to the agents that have it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_tool
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_tool IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_tool
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_tool IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_journey (
    id               uuid NOT NULL,
    workspace_id     text NOT NULL,
    agent_id         uuid NOT NULL,
    title            text NOT NULL,
    description      text,
    conditions       jsonb NOT NULL,
    enabled          boolean NOT NULL DEFAULT true,
    allow_skipping   boolean NOT NULL DEFAULT true,
    allow_revisiting boolean NOT NULL DEFAULT true,
    total_sessions   integer NOT NULL DEFAULT 0,
    completion_rate  integer DEFAULT 0,
    last_used_at     timestamp,
    created_at       timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at       timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_journey_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_journey_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_journey_agent_key UNIQUE (workspace_id, agent_id, id),
    CONSTRAINT parlant_journey_title_key UNIQUE (workspace_id, agent_id, title),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT title_has_1_to_500_characters CHECK (length(title) <= 500 AND btrim(title) <> ''),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT conditions_is_an_array CHECK (jsonb_typeof(conditions) = 'array'),
    CONSTRAINT total_sessions_is_not_negative CHECK (total_sessions >= 0),
    CONSTRAINT completion_rate_is_0_to_100 CHECK (completion_rate BETWEEN 0 AND 100)
);
COMMENT ON TABLE parlant.parlant_journey IS
    'A state machine that guides a conversation of an agent: a graph of states and transitions.';
COMMENT ON COLUMN parlant.parlant_journey.id IS 'Key of the journey, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey.workspace_id IS 'Workspace of the agent; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey.agent_id IS 'Agent whose sessions may walk it.';
COMMENT ON COLUMN parlant.parlant_journey.title IS 'Caption, unique among the journeys of its agent.';
COMMENT ON COLUMN parlant.parlant_journey.description IS 'What the journey is for.';
COMMENT ON COLUMN parlant.parlant_journey.conditions IS
    'Array of conditions of which one must hold for the journey to start.';
COMMENT ON COLUMN parlant.parlant_journey.enabled IS
    'A disabled journey is entered by no further session; those inside go on.';
COMMENT ON COLUMN parlant.parlant_journey.allow_skipping IS 'States that allow it may be skipped.';
COMMENT ON COLUMN parlant.parlant_journey.allow_revisiting IS 'A session may go back to a state it has been in.';
COMMENT ON COLUMN parlant.parlant_journey.total_sessions IS
    'Sessions that entered so far; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey.completion_rate IS
    'Percent of those sessions that reached a final state; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey.last_used_at IS 'UTC time of the last entry; may lag.';
COMMENT ON COLUMN parlant.parlant_journey.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey.updated_at IS
    'UTC time of the last change of the journey or of which states it has, kept by triggers.';
COMMENT ON CONSTRAINT parlant_journey_workspace_key ON parlant.parlant_journey IS
    'What states and transitions point to, so that they cannot leave its workspace.';
COMMENT ON CONSTRAINT parlant_journey_agent_key ON parlant.parlant_journey IS
    'What sessions and journey guidelines point to, so that they stay with its agent.';
COMMENT ON CONSTRAINT parlant_journey_title_key ON parlant.parlant_journey IS
    'Makes titles unique at an agent; finds a journey by title.';

ALTER TABLE parlant.parlant_journey ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_journey
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_journey IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_journey
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_journey IS 'Keeps updated_at.';

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
    CONSTRAINT parlant_journey_state_name_key UNIQUE (workspace_id, journey_id, name),
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
COMMENT ON CONSTRAINT parlant_journey_state_name_key ON parlant.parlant_journey_state IS
    'Makes names unique in a journey; finds a state by name.';

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

CREATE TABLE parlant.parlant_journey_transition (
    id                  uuid NOT NULL,
    workspace_id        text NOT NULL,
    journey_id          uuid NOT NULL,
    from_state_id       uuid NOT NULL,
    to_state_id         uuid NOT NULL,
    condition           text,
    priority            integer NOT NULL DEFAULT 100,
    use_count           integer NOT NULL DEFAULT 0,
    last_used_at        timestamp,
    created_at          timestamp NOT NULL DEFAULT timezone('utc', now()),
    from_state_is_final boolean NOT NULL GENERATED ALWAYS AS (false) STORED,

    CONSTRAINT parlant_journey_transition_pkey PRIMARY KEY (id),
    CONSTRAINT journey_is_in_the_workspace FOREIGN KEY (workspace_id, journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT from_state_is_in_the_journey_and_not_final
        FOREIGN KEY (workspace_id, journey_id, from_state_id, from_state_is_final)
        REFERENCES parlant.parlant_journey_state (workspace_id, journey_id, id, is_final) ON DELETE CASCADE,
    CONSTRAINT to_state_is_in_the_journey FOREIGN KEY (workspace_id, journey_id, to_state_id)
        REFERENCES parlant.parlant_journey_state (workspace_id, journey_id, id) ON DELETE CASCADE,
    CONSTRAINT condition_has_1_to_2000_characters CHECK (length(condition) <= 2000 AND btrim(condition) <> ''),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_journey_transition IS
    'A way from one state of a journey to another, or to itself, taken when its condition holds.';
COMMENT ON COLUMN parlant.parlant_journey_transition.id IS
    'Key of the transition, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey_transition.workspace_id IS
    'Workspace of the journey; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey_transition.journey_id IS 'The journey; both states belong to it.';
COMMENT ON COLUMN parlant.parlant_journey_transition.from_state_id IS 'State it leaves; never a final one.';
COMMENT ON COLUMN parlant.parlant_journey_transition.to_state_id IS 'State it leads to.';
COMMENT ON COLUMN parlant.parlant_journey_transition.condition IS 'When it is taken; NULL is always.';
COMMENT ON COLUMN parlant.parlant_journey_transition.priority IS '1 to 1000; of those that hold, the highest is taken.';
COMMENT ON COLUMN parlant.parlant_journey_transition.use_count IS 'Times taken; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey_transition.last_used_at IS 'UTC time it was last taken; may lag.';
COMMENT ON COLUMN parlant.parlant_journey_transition.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey_transition.from_state_is_final IS
    'Always false: part of the foreign key that keeps transitions from leaving a final state.';
COMMENT ON CONSTRAINT from_state_is_in_the_journey_and_not_final ON parlant.parlant_journey_transition IS
    'Refuses a transition out of a final state, and making a state final while a transition leaves it.';

ALTER TABLE parlant.parlant_journey_transition ALTER COLUMN id SET DEFAULT parlant.uuidv7();

-- A condition may be longer than an index entry, so its 64-bit hash stands for it.
CREATE UNIQUE INDEX parlant_journey_transition_key ON parlant.parlant_journey_transition
    (workspace_id, journey_id, from_state_id, to_state_id, hashtextextended(condition, 0)) NULLS NOT DISTINCT;
COMMENT ON INDEX parlant.parlant_journey_transition_key IS
    'Two transitions with the same states and condition would be one.';

CREATE INDEX parlant_journey_transition_from ON parlant.parlant_journey_transition
    (workspace_id, journey_id, from_state_id, priority DESC, created_at, id);
COMMENT ON INDEX parlant.parlant_journey_transition_from IS
    'Reads the transitions that leave a state in their order, at every hop; follows a journey or a state to them.';

CREATE INDEX parlant_journey_transition_to ON parlant.parlant_journey_transition (workspace_id, journey_id, to_state_id);
COMMENT ON INDEX parlant.parlant_journey_transition_to IS 'Follows a state to the transitions that lead to it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_journey_transition
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('journey_id', 'parlant_journey', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_journey_transition IS 'Fills workspace_id from the journey.';

CREATE TABLE parlant.parlant_journey_guideline (
    id                         uuid NOT NULL,
    workspace_id               text NOT NULL,
    agent_id                   uuid NOT NULL,
    journey_id                 uuid NOT NULL,
    guideline_id               uuid NOT NULL,
    priority_override          integer,
    enabled                    boolean NOT NULL DEFAULT true,
    journey_specific_condition text,
    match_count                integer NOT NULL DEFAULT 0,
    last_matched_at            timestamp,
    created_at                 timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at                 timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_journey_guideline_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_journey_guideline_key UNIQUE (workspace_id, journey_id, guideline_id),
    CONSTRAINT journey_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, agent_id, id) ON DELETE CASCADE,
    CONSTRAINT guideline_belongs_to_the_agent FOREIGN KEY (workspace_id, agent_id, guideline_id)
        REFERENCES parlant.parlant_guideline (workspace_id, agent_id, id) ON DELETE CASCADE,
    CONSTRAINT priority_override_is_1_to_1000 CHECK (priority_override BETWEEN 1 AND 1000),
    CONSTRAINT journey_specific_condition_has_1_to_2000_characters
        CHECK (length(journey_specific_condition) <= 2000 AND btrim(journey_specific_condition) <> ''),
    CONSTRAINT match_count_is_not_negative CHECK (match_count >= 0)
);
COMMENT ON TABLE parlant.parlant_journey_guideline IS
    'How a guideline applies inside a journey of the same agent: with another priority, a further condition, or not.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.id IS 'Key of the link, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.workspace_id IS
    'Workspace of the journey; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.agent_id IS
    'Agent of both journey and guideline; filled from the journey when left out.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.journey_id IS 'The journey.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.guideline_id IS 'The guideline.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.priority_override IS
    '1 to 1000: replaces the guideline''s priority inside the journey; NULL keeps it.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.enabled IS 'False takes the guideline out inside the journey.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.journey_specific_condition IS
    'Condition that must hold as well inside the journey, in natural language.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.match_count IS
    'Matches inside the journey; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.last_matched_at IS
    'UTC time of the last match inside the journey; may lag.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey_guideline.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_journey_guideline_key ON parlant.parlant_journey_guideline IS
    'A guideline is linked to a journey once; reads the links of a journey.';

ALTER TABLE parlant.parlant_journey_guideline ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_journey_guideline_guideline ON parlant.parlant_journey_guideline (workspace_id, guideline_id);
COMMENT ON INDEX parlant.parlant_journey_guideline_guideline IS 'Follows a guideline to its journeys.';

CREATE TRIGGER fill_agent_and_workspace BEFORE INSERT ON parlant.parlant_journey_guideline
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL OR NEW.agent_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('journey_id', 'parlant_journey', 'workspace_id', 'agent_id');
COMMENT ON TRIGGER fill_agent_and_workspace ON parlant.parlant_journey_guideline IS
    'Fills agent_id and workspace_id from the journey.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_journey_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_journey_guideline IS 'Keeps updated_at.';

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

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_session
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_session IS 'Fills workspace_id from the agent.';

CREATE TRIGGER leave_state_with_journey BEFORE INSERT OR UPDATE ON parlant.parlant_session
    FOR EACH ROW WHEN (NEW.current_journey_id IS NULL AND NEW.current_state_id IS NOT NULL)
    EXECUTE FUNCTION parlant.leave_state_with_journey();
COMMENT ON TRIGGER leave_state_with_journey ON parlant.parlant_session IS
    'Clears current_state_id when the session leaves its journey or the journey is deleted.';

CREATE TRIGGER set_ended_at BEFORE INSERT OR UPDATE ON parlant.parlant_session
    FOR EACH ROW WHEN (NEW.status <> 'active' AND NEW.ended_at IS NULL)
    EXECUTE FUNCTION parlant.set_ended_at();
COMMENT ON TRIGGER set_ended_at ON parlant.parlant_session IS 'Sets ended_at when a client ends a session by its status alone.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_session
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_session IS 'Keeps updated_at.';

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

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_event
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('session_id', 'parlant_session', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_event IS 'Fills workspace_id from the session.';

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

CREATE TABLE parlant.parlant_agent_workflow (
    id                 uuid NOT NULL,
    workspace_id       text NOT NULL,
    agent_id           uuid NOT NULL,
    workflow_id        text NOT NULL,
    integration_type   text NOT NULL,
    enabled            boolean NOT NULL DEFAULT true,
    trigger_conditions jsonb DEFAULT '[]',
    input_mapping      jsonb DEFAULT '{}',
    monitor_events     jsonb DEFAULT '[]',
    output_mapping     jsonb DEFAULT '{}',
    trigger_count      integer NOT NULL DEFAULT 0,
    last_triggered_at  timestamp,
    created_at         timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at         timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_agent_workflow_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_agent_workflow_key UNIQUE (workspace_id, agent_id, workflow_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT integration_type_is_known CHECK (integration_type IN ('trigger', 'monitor', 'both')),
    CONSTRAINT trigger_conditions_is_an_array CHECK (jsonb_typeof(trigger_conditions) = 'array'),
    CONSTRAINT input_mapping_is_an_object CHECK (jsonb_typeof(input_mapping) = 'object'),
    CONSTRAINT monitor_events_is_an_array CHECK (jsonb_typeof(monitor_events) = 'array'),
    CONSTRAINT output_mapping_is_an_object CHECK (jsonb_typeof(output_mapping) = 'object'),
    CONSTRAINT trigger_count_is_not_negative CHECK (trigger_count >= 0)
);
COMMENT ON TABLE parlant.parlant_agent_workflow IS
    'A workflow of the host platform that an agent may start or watch.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.id IS 'Key of the link, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.workspace_id IS
    'Workspace of the agent and of the workflow; filled from the agent when left out.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.agent_id IS 'The agent.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.workflow_id IS 'Id of the workflow on the host platform.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.integration_type IS
    'trigger (the agent starts it), monitor (the agent follows its events) or both.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.enabled IS 'A disabled link is kept and not used.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.trigger_conditions IS 'Array of conditions on the session to start it.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.input_mapping IS 'Object: data of the session to input of the workflow.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.monitor_events IS 'Array of the workflow''s events to follow.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.output_mapping IS 'Object: output of the workflow to data of the session.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.trigger_count IS 'Times started; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.last_triggered_at IS 'UTC time it was last started; may lag.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_agent_workflow.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_agent_workflow_key ON parlant.parlant_agent_workflow IS
    'A workflow is linked to an agent once; reads the workflows of an agent.';

ALTER TABLE parlant.parlant_agent_workflow ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_agent_workflow_host ON parlant.parlant_agent_workflow (workflow_id, workspace_id);
COMMENT ON INDEX parlant.parlant_agent_workflow_host IS
    'Follows a workflow to its agents, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_agent_workflow
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('agent_id', 'parlant_agent', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_agent_workflow IS 'Fills workspace_id from the agent.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_agent_workflow
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_agent_workflow IS 'Keeps updated_at.';

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

CREATE TABLE parlant.parlant_session_workflow (
    id             uuid NOT NULL,
    workspace_id   text NOT NULL,
    session_id     uuid NOT NULL,
    workflow_id    text NOT NULL,
    execution_id   text,
    trigger_reason text NOT NULL,
    input_data     jsonb DEFAULT '{}',
    output_data    jsonb DEFAULT '{}',
    status         text NOT NULL DEFAULT 'pending',
    started_at     timestamp NOT NULL DEFAULT timezone('utc', now()),
    completed_at   timestamp,
    error_message  text,
    created_at     timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at     timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_session_workflow_pkey PRIMARY KEY (id),
    CONSTRAINT session_is_in_the_workspace FOREIGN KEY (workspace_id, session_id)
        REFERENCES parlant.parlant_session (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT execution_id_has_1_to_255_characters CHECK (length(execution_id) BETWEEN 1 AND 255),
    CONSTRAINT trigger_reason_has_1_to_2000_characters
        CHECK (length(trigger_reason) <= 2000 AND btrim(trigger_reason) <> ''),
    CONSTRAINT input_data_is_an_object CHECK (jsonb_typeof(input_data) = 'object'),
    CONSTRAINT output_data_is_an_object CHECK (jsonb_typeof(output_data) = 'object'),
    CONSTRAINT status_is_known CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT completion_is_not_before_the_start CHECK (completed_at >= started_at)
);
COMMENT ON TABLE parlant.parlant_session_workflow IS 'A run of a workflow of the host platform, started from a session.';
COMMENT ON COLUMN parlant.parlant_session_workflow.id IS 'Key of the run, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_session_workflow.workspace_id IS
    'Workspace of the session; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_session_workflow.session_id IS 'The session.';
COMMENT ON COLUMN parlant.parlant_session_workflow.workflow_id IS 'Id of the workflow on the host platform.';
COMMENT ON COLUMN parlant.parlant_session_workflow.execution_id IS 'Id of the run in the host platform''s log.';
COMMENT ON COLUMN parlant.parlant_session_workflow.trigger_reason IS 'Why it was started.';
COMMENT ON COLUMN parlant.parlant_session_workflow.input_data IS 'Object: what the workflow was given.';
COMMENT ON COLUMN parlant.parlant_session_workflow.output_data IS 'Object: what it gave back.';
COMMENT ON COLUMN parlant.parlant_session_workflow.status IS 'pending, running, completed, failed or cancelled.';
COMMENT ON COLUMN parlant.parlant_session_workflow.started_at IS 'UTC time of the start.';
COMMENT ON COLUMN parlant.parlant_session_workflow.completed_at IS 'UTC time of the end.';
COMMENT ON COLUMN parlant.parlant_session_workflow.error_message IS 'Why it failed.';
COMMENT ON COLUMN parlant.parlant_session_workflow.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_session_workflow.updated_at IS 'UTC time of the last change, kept by a trigger.';

ALTER TABLE parlant.parlant_session_workflow ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_session_workflow_session ON parlant.parlant_session_workflow
    (workspace_id, session_id, started_at DESC);
COMMENT ON INDEX parlant.parlant_session_workflow_session IS
    'Lists the runs of a session; follows it to them when it is deleted.';

CREATE INDEX parlant_session_workflow_unfinished ON parlant.parlant_session_workflow (workspace_id, started_at)
    WHERE status IN ('pending', 'running');
COMMENT ON INDEX parlant.parlant_session_workflow_unfinished IS
    'Finds the runs that are not finished, oldest first. Finished ones, the mass, are not in it.';

CREATE INDEX parlant_session_workflow_execution ON parlant.parlant_session_workflow (workspace_id, execution_id)
    WHERE execution_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_session_workflow_execution IS 'Finds the run that the host platform reports on.';

CREATE INDEX parlant_session_workflow_host ON parlant.parlant_session_workflow (workflow_id, workspace_id);
COMMENT ON INDEX parlant.parlant_session_workflow_host IS
    'Follows a workflow to its runs, also when the host platform deletes it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_session_workflow
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('session_id', 'parlant_session', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_session_workflow IS 'Fills workspace_id from the session.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_session_workflow
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_session_workflow IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_workflow_template (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    name          text NOT NULL,
    description   text,
    workflow_id   text NOT NULL,
    version       text NOT NULL DEFAULT '1.0.0',
    workflow_data jsonb NOT NULL DEFAULT '{}',
    tags          text[] DEFAULT '{}',
    usage_count   integer NOT NULL DEFAULT 0,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    created_by    text,

    CONSTRAINT parlant_workflow_template_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_workflow_template_workspace_key UNIQUE (workspace_id, id),
    CONSTRAINT parlant_workflow_template_name_key UNIQUE (workspace_id, workflow_id, name),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT version_has_1_to_255_characters CHECK (length(version) <= 255 AND btrim(version) <> ''),
    CONSTRAINT workflow_data_is_an_object CHECK (jsonb_typeof(workflow_data) = 'object'),
    CONSTRAINT usage_count_is_not_negative CHECK (usage_count >= 0)
);
COMMENT ON TABLE parlant.parlant_workflow_template IS
    'A workflow with parameters, kept to be converted into journeys again and again.';
COMMENT ON COLUMN parlant.parlant_workflow_template.id IS 'Key of the template, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workspace_id IS 'Workspace that owns the template.';
COMMENT ON COLUMN parlant.parlant_workflow_template.name IS 'Name, unique among the templates of its workflow.';
COMMENT ON COLUMN parlant.parlant_workflow_template.description IS 'What it is for.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workflow_id IS
    'Workflow of the host platform that it was made from; no foreign key, the template outlives it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.version IS 'Version, such as 1.0.0.';
COMMENT ON COLUMN parlant.parlant_workflow_template.workflow_data IS 'Object: snapshot of the workflow.';
COMMENT ON COLUMN parlant.parlant_workflow_template.tags IS 'Tags, for finding it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.usage_count IS 'Conversions made from it.';
COMMENT ON COLUMN parlant.parlant_workflow_template.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_workflow_template.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON COLUMN parlant.parlant_workflow_template.created_by IS 'User who created it; text, as the ids of users are.';
COMMENT ON CONSTRAINT parlant_workflow_template_workspace_key ON parlant.parlant_workflow_template IS
    'What parameters and conversions point to, so that they cannot leave its workspace.';
COMMENT ON CONSTRAINT parlant_workflow_template_name_key ON parlant.parlant_workflow_template IS
    'Makes names unique at a workflow; finds the templates of a workflow.';

ALTER TABLE parlant.parlant_workflow_template ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_workflow_template_creator ON parlant.parlant_workflow_template (created_by, workspace_id)
    WHERE created_by IS NOT NULL;
COMMENT ON INDEX parlant.parlant_workflow_template_creator IS
    'Finds the templates of a user, also when that user is deleted.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_workflow_template
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_workflow_template IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_template_parameter (
    id            uuid NOT NULL,
    workspace_id  text NOT NULL,
    template_id   uuid NOT NULL,
    name          text NOT NULL,
    type          text NOT NULL,
    description   text NOT NULL,
    default_value jsonb,
    required      boolean NOT NULL DEFAULT false,
    validation    jsonb DEFAULT '{}',
    display_order integer NOT NULL DEFAULT 0,
    created_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at    timestamp NOT NULL DEFAULT timezone('utc', now()),

    CONSTRAINT parlant_template_parameter_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_template_parameter_name_key UNIQUE (workspace_id, template_id, name),
    CONSTRAINT template_is_in_the_workspace FOREIGN KEY (workspace_id, template_id)
        REFERENCES parlant.parlant_workflow_template (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT name_has_1_to_255_characters CHECK (length(name) <= 255 AND btrim(name) <> ''),
    CONSTRAINT type_is_known CHECK (type IN ('string', 'number', 'boolean', 'array', 'object', 'json')),
    CONSTRAINT description_has_at_most_2000_characters CHECK (length(description) <= 2000),
    CONSTRAINT default_value_agrees_with_type CHECK (
        type = 'json' OR jsonb_typeof(default_value) = type OR jsonb_typeof(default_value) = 'null'),
    CONSTRAINT validation_is_an_object CHECK (jsonb_typeof(validation) = 'object')
);
COMMENT ON TABLE parlant.parlant_template_parameter IS 'A parameter of a workflow template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.id IS 'Key of the parameter, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_template_parameter.workspace_id IS
    'Workspace of the template; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_template_parameter.template_id IS 'The template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.name IS 'Name, unique in the template.';
COMMENT ON COLUMN parlant.parlant_template_parameter.type IS
    'JSON type of its values: string, number, boolean, array, object, or json for any.';
COMMENT ON COLUMN parlant.parlant_template_parameter.description IS 'What it is for.';
COMMENT ON COLUMN parlant.parlant_template_parameter.default_value IS 'Value when none is supplied; agrees with type.';
COMMENT ON COLUMN parlant.parlant_template_parameter.required IS 'A value must be supplied.';
COMMENT ON COLUMN parlant.parlant_template_parameter.validation IS
    'Object: min, max, pattern and allowed_values of its values.';
COMMENT ON COLUMN parlant.parlant_template_parameter.display_order IS 'Order in forms, lowest first.';
COMMENT ON COLUMN parlant.parlant_template_parameter.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_template_parameter.updated_at IS 'UTC time of the last change, kept by a trigger.';
COMMENT ON CONSTRAINT parlant_template_parameter_name_key ON parlant.parlant_template_parameter IS
    'Makes names unique in a template; reads the parameters of a template.';

ALTER TABLE parlant.parlant_template_parameter ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_template_parameter
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('template_id', 'parlant_workflow_template', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_template_parameter IS 'Fills workspace_id from the template.';

CREATE TRIGGER set_updated_at BEFORE UPDATE ON parlant.parlant_template_parameter
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
COMMENT ON TRIGGER set_updated_at ON parlant.parlant_template_parameter IS 'Keeps updated_at.';

CREATE TABLE parlant.parlant_conversion_history (
    id               uuid NOT NULL,
    conversion_id    text NOT NULL,
    workflow_id      text NOT NULL,
    template_id      uuid,
    workspace_id     text NOT NULL,
    user_id          text,
    agent_id         uuid,
    parameters       jsonb NOT NULL DEFAULT '{}',
    status           text NOT NULL,
    result           jsonb,
    error_details    jsonb,
    metadata         jsonb NOT NULL DEFAULT '{}',
    duration_ms      integer,
    blocks_converted integer DEFAULT 0,
    edges_converted  integer DEFAULT 0,
    warnings_count   integer DEFAULT 0,
    cache_hit        boolean DEFAULT false,
    created_at       timestamp NOT NULL DEFAULT timezone('utc', now()),
    started_at       timestamp,
    completed_at     timestamp,

    CONSTRAINT parlant_conversion_history_pkey PRIMARY KEY (id),
    CONSTRAINT parlant_conversion_history_key UNIQUE (workspace_id, conversion_id),
    CONSTRAINT template_is_in_the_workspace FOREIGN KEY (workspace_id, template_id)
        REFERENCES parlant.parlant_workflow_template (workspace_id, id) ON DELETE SET NULL (template_id),
    CONSTRAINT agent_is_in_the_workspace FOREIGN KEY (workspace_id, agent_id)
        REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE SET NULL (agent_id),
    CONSTRAINT workspace_id_has_1_to_255_characters CHECK (length(workspace_id) BETWEEN 1 AND 255),
    CONSTRAINT conversion_id_has_1_to_255_characters CHECK (length(conversion_id) BETWEEN 1 AND 255),
    CONSTRAINT workflow_id_has_1_to_255_characters CHECK (length(workflow_id) BETWEEN 1 AND 255),
    CONSTRAINT parameters_is_an_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT status_is_known CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    CONSTRAINT error_details_is_an_object CHECK (jsonb_typeof(error_details) = 'object'),
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT duration_ms_is_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT blocks_converted_is_not_negative CHECK (blocks_converted >= 0),
    CONSTRAINT edges_converted_is_not_negative CHECK (edges_converted >= 0),
    CONSTRAINT warnings_count_is_not_negative CHECK (warnings_count >= 0),
    CONSTRAINT completion_is_not_before_the_start CHECK (completed_at >= started_at)
);
COMMENT ON TABLE parlant.parlant_conversion_history IS
    'What was converted from which workflow, by whom, with which result.';
COMMENT ON COLUMN parlant.parlant_conversion_history.id IS 'Key of the row, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_conversion_history.conversion_id IS
    'Public id of the conversion, unique in the workspace.';
COMMENT ON COLUMN parlant.parlant_conversion_history.workflow_id IS
    'Workflow of the host platform; no foreign key, history outlives it.';
COMMENT ON COLUMN parlant.parlant_conversion_history.template_id IS
    'Template it was made from, if any; NULL once that is deleted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.workspace_id IS 'Workspace in which it was made.';
COMMENT ON COLUMN parlant.parlant_conversion_history.user_id IS 'User who asked for it; text, as the ids of users are.';
COMMENT ON COLUMN parlant.parlant_conversion_history.agent_id IS
    'Agent that got the journey; NULL once that is deleted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.parameters IS 'Object: parameters supplied.';
COMMENT ON COLUMN parlant.parlant_conversion_history.status IS 'queued, processing, completed or failed.';
COMMENT ON COLUMN parlant.parlant_conversion_history.result IS 'What came out.';
COMMENT ON COLUMN parlant.parlant_conversion_history.error_details IS 'Object: what went wrong.';
COMMENT ON COLUMN parlant.parlant_conversion_history.metadata IS 'Object: free data, such as progress.';
COMMENT ON COLUMN parlant.parlant_conversion_history.duration_ms IS 'Time it took, in milliseconds.';
COMMENT ON COLUMN parlant.parlant_conversion_history.blocks_converted IS 'Blocks converted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.edges_converted IS 'Edges converted.';
COMMENT ON COLUMN parlant.parlant_conversion_history.warnings_count IS 'Warnings given.';
COMMENT ON COLUMN parlant.parlant_conversion_history.cache_hit IS
    'Kept for clients that read it: conversions are no longer cached.';
COMMENT ON COLUMN parlant.parlant_conversion_history.created_at IS 'UTC time of the request.';
COMMENT ON COLUMN parlant.parlant_conversion_history.started_at IS 'UTC time of the start.';
COMMENT ON COLUMN parlant.parlant_conversion_history.completed_at IS 'UTC time of the end.';
COMMENT ON CONSTRAINT parlant_conversion_history_key ON parlant.parlant_conversion_history IS
    'Makes conversion ids unique in a workspace; finds a conversion by it.';

ALTER TABLE parlant.parlant_conversion_history ALTER COLUMN id SET DEFAULT parlant.uuidv7();

CREATE INDEX parlant_conversion_history_created ON parlant.parlant_conversion_history (workspace_id, created_at DESC);
COMMENT ON INDEX parlant.parlant_conversion_history_created IS 'Lists the conversions of a workspace, latest first.';

CREATE INDEX parlant_conversion_history_workflow ON parlant.parlant_conversion_history (workspace_id, workflow_id);
COMMENT ON INDEX parlant.parlant_conversion_history_workflow IS 'Finds the conversions of a workflow.';

CREATE INDEX parlant_conversion_history_template ON parlant.parlant_conversion_history (workspace_id, template_id)
    WHERE template_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_template IS
    'Follows a template to its conversions, also when it is deleted.';

CREATE INDEX parlant_conversion_history_agent ON parlant.parlant_conversion_history (workspace_id, agent_id)
    WHERE agent_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_agent IS
    'Follows an agent to its conversions, also when it is deleted.';

CREATE INDEX parlant_conversion_history_user ON parlant.parlant_conversion_history (user_id, workspace_id)
    WHERE user_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_conversion_history_user IS
    'Finds the conversions of a user, also when that user is deleted.';
