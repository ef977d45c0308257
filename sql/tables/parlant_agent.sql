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

ALTER TABLE parlant.parlant_agent ADD COLUMN total_of_deleted_sessions jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN parlant.parlant_agent.total_of_deleted_sessions IS
    'Object: what sessions that have been deleted add to the totals; kept by a trigger of parlant_session.';

ALTER TABLE parlant.parlant_agent ADD CONSTRAINT total_of_deleted_sessions_is_an_object
    CHECK (jsonb_typeof(total_of_deleted_sessions) = 'object');

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

CREATE INDEX parlant_agent_deleted ON parlant.parlant_agent (workspace_id, deleted_at) WHERE deleted_at IS NOT NULL;
COMMENT ON INDEX parlant.parlant_agent_deleted IS
    'Tells on entering a workspace whether anything in it is hidden; lists its deleted agents by age.';

CREATE TRIGGER hide_deleted_agents AFTER UPDATE OF deleted_at ON parlant.parlant_agent
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.hide_deleted_agents();
COMMENT ON TRIGGER hide_deleted_agents ON parlant.parlant_agent IS
    'Hides what the transaction soft-deletes from the rest of the transaction.';

CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE ON parlant.parlant_agent
    FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION parlant.invalidate_caches();
COMMENT ON TRIGGER invalidate_caches ON parlant.parlant_agent IS
    'Has all connections look up again which workspaces have soft-deleted agents; also where other triggers do not fire.';

ALTER TABLE parlant.parlant_agent ENABLE ALWAYS TRIGGER invalidate_caches;

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_agent IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_agent
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_agent IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_agent ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent IS
    'Agents of the workspace that the transaction acts in, for a user who may read it, unless they are soft-deleted.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND deleted_at IS NULL);
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent IS
    'Living agents of the workspace that the transaction acts in, for a user who may write it.';

-- No condition on deleted_at of the new row alone: that a user soft-deletes is what the second line is for.
CREATE POLICY updating_needs_write ON parlant.parlant_agent FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id()
        AND (deleted_at IS NULL OR workspace_id = parlant.administered_workspace_id()));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent IS
    'Agents of the workspace that the transaction acts in, for a user who may write it; soft-deleting one, by its '
    'deleted_at, is for an admin.';

CREATE POLICY deleting_needs_admin ON parlant.parlant_agent FOR DELETE
    USING (workspace_id = parlant.administered_workspace_id() AND parlant.shows_agent(workspace_id, id));
COMMENT ON POLICY deleting_needs_admin ON parlant.parlant_agent IS
    'Agents of the workspace that the transaction acts in, for an admin of it, unless they are soft-deleted.';
