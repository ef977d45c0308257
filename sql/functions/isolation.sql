-- What the policies ask, what the planner is told about that, memberships, and the rights of an application's role.

CREATE FUNCTION parlant.expect_all(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'expect_all_wrapper';
COMMENT ON FUNCTION parlant.expect_all(internal) IS
    'Planner support: of the rows of a workspace next to none is hidden.';

CREATE FUNCTION parlant.expect_user(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'expect_user_wrapper';
COMMENT ON FUNCTION parlant.expect_user(internal) IS
    'Planner support: whether the transaction that plans acts for a user.';

CREATE FUNCTION parlant.expect_session_of(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'expect_session_of_wrapper';
COMMENT ON FUNCTION parlant.expect_session_of(internal) IS
    'Planner support: how many sessions are of the customer that the transaction acts for; of a user''s none is hidden.';

-- The comparison of workspace_id is the cheapest condition of each policy, so it is checked before the others.
ALTER FUNCTION parlant.readable_workspace_id() COST 0.1;
ALTER FUNCTION parlant.writable_workspace_id() COST 0.1;
ALTER FUNCTION parlant.administered_workspace_id() COST 0.1;
ALTER FUNCTION parlant.current_workspace_id() COST 0.1;
ALTER FUNCTION parlant.current_customer_id() COST 0.1;
ALTER FUNCTION parlant.acts_for_user() COST 0.1 SUPPORT parlant.expect_user;
ALTER FUNCTION parlant.shows_agent(text, uuid) COST 1.2 SUPPORT parlant.expect_all;
ALTER FUNCTION parlant.shows_journey(text, uuid) COST 1.2 SUPPORT parlant.expect_all;
ALTER FUNCTION parlant.shows_session(text, uuid) COST 1.2 SUPPORT parlant.expect_all;
ALTER FUNCTION parlant.shows_session_of(text, uuid, text) COST 1.2 SUPPORT parlant.expect_session_of;

COMMENT ON FUNCTION parlant.enter_workspace(text, text) IS
    'Enters a workspace for a user until the transaction ends, and returns the permission of the user there: read, '
    'write or admin. Refused with 42501 where the user has none, or there is no such workspace.';
COMMENT ON FUNCTION parlant.enter_workspace_as_customer(text, text) IS
    'Enters a workspace for a customer until the transaction ends: of all rows only their own sessions are seen.';
COMMENT ON FUNCTION parlant.enter_workspace_with_token(text) IS
    'Enters a workspace for the user or customer that a signed token (JWT) names, until the transaction ends, and returns '
    'a user''s permission there. parlant.token_keys and parlant.token_audience tell which tokens are believed.';
COMMENT ON FUNCTION parlant.leave_workspace() IS
    'Leaves the workspace before the transaction ends: the rest of it sees and writes nothing, and can enter again '
    'only as before.';
COMMENT ON FUNCTION parlant.workspace_permission(text, text) IS
    'What a user may do in a workspace: read, write or admin; NULL if nothing. Users may ask it of themselves, admins '
    'of everybody in their workspace.';
COMMENT ON FUNCTION parlant.grant_workspace(text, text, text) IS
    'Gives a user the permission read, write or admin in a workspace, in place of an earlier one. For admins of the '
    'workspace and the owner of the tables, where no host is linked.';
COMMENT ON FUNCTION parlant.revoke_workspace(text, text) IS
    'Takes a user''s permission in a workspace away; the last admin keeps it. For admins of the workspace and the owner '
    'of the tables, where no host is linked.';

COMMENT ON FUNCTION parlant.readable_workspace_id() IS
    'Policies: the workspace that the transaction acts in, for a user who may read it; else NULL, which equals nothing.';
COMMENT ON FUNCTION parlant.writable_workspace_id() IS
    'Policies: the workspace that the transaction acts in, for a user who may write it; else NULL.';
COMMENT ON FUNCTION parlant.administered_workspace_id() IS
    'Policies: the workspace that the transaction acts in, for an admin of it; else NULL.';
COMMENT ON FUNCTION parlant.acts_for_user() IS
    'Policies: whether the transaction acts for a user with a permission, not for a customer.';
COMMENT ON FUNCTION parlant.shows_agent(text, uuid) IS
    'Policies: false for a soft-deleted agent of the workspace that the transaction acts in.';
COMMENT ON FUNCTION parlant.shows_journey(text, uuid) IS
    'Policies: false for a journey of a soft-deleted agent.';
COMMENT ON FUNCTION parlant.shows_session(text, uuid) IS
    'Policies: false for a session of a soft-deleted agent, and for a customer for a session of somebody else.';

COMMENT ON FUNCTION parlant.shows_session_of(text, uuid, text) IS
    'Policies: of a session with this agent and this customer, false if the agent is soft-deleted, for a customer also if '
    'the session is of somebody else.';

COMMENT ON FUNCTION parlant.customer_may_start(uuid) IS
    'For a customer, who sees no agents: whether an agent of the workspace that the transaction acts in starts '
    'sessions; NULL if it is not there, and for anybody else.';

CREATE FUNCTION parlant.hide_deleted_agents() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'hide_deleted_agents_wrapper';
COMMENT ON FUNCTION parlant.hide_deleted_agents() IS
    'Trigger: hides agents that the transaction has soft-deleted from the rest of it.';

CREATE FUNCTION parlant.invalidate_caches() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_caches_wrapper';
COMMENT ON FUNCTION parlant.invalidate_caches() IS
    'Trigger: has all connections forget what they keep of the table, once the transaction commits.';

CREATE FUNCTION parlant.app_privileges() RETURNS TABLE (kind text, name text, privileges text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 120 AS $$
    VALUES
        ('table', 'parlant_workspace_member', 'SELECT'),
        ('table', 'parlant_audit_log', 'SELECT'),
        ('table', 'parlant_host_link', NULL),
        ('table', 'parlant_event', 'SELECT, INSERT'),
        ('table', 'parlant_agent', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_guideline', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_canned_response', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_term', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_tool', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_tool_call', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_tool_integration', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_agent_tool', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_journey', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_journey_state', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_journey_transition', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_journey_guideline', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_session', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_variable', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_agent_knowledge_base', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_agent_workflow', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_agent_api_key', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_session_workflow', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_workflow_template', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_template_parameter', 'SELECT, INSERT, UPDATE, DELETE'),
        ('table', 'parlant_conversion_history', 'SELECT, INSERT, UPDATE, DELETE'),

        -- Entering on the client's word; withheld from a role that enters by token.
        ('function', 'enter_workspace', 'EXECUTE WITHOUT TOKEN'),
        ('function', 'enter_workspace_as_customer', 'EXECUTE WITHOUT TOKEN'),

        -- Called by defaults, checks and policies of the tables.
        ('function', 'uuidv7', 'EXECUTE'),
        ('function', 'json_schema_error', 'EXECUTE'),
        ('function', 'readable_workspace_id', 'EXECUTE'),
        ('function', 'writable_workspace_id', 'EXECUTE'),
        ('function', 'administered_workspace_id', 'EXECUTE'),
        ('function', 'acts_for_user', 'EXECUTE'),
        ('function', 'shows_agent', 'EXECUTE'),
        ('function', 'shows_journey', 'EXECUTE'),
        ('function', 'shows_session', 'EXECUTE'),
        ('function', 'shows_session_of', 'EXECUTE'),

        -- Isolation
        ('function', 'enter_workspace_with_token', 'EXECUTE'),
        ('function', 'leave_workspace', 'EXECUTE'),
        ('function', 'current_workspace_id', 'EXECUTE'),
        ('function', 'current_user_id', 'EXECUTE'),
        ('function', 'current_customer_id', 'EXECUTE'),
        ('function', 'current_permission', 'EXECUTE'),
        ('function', 'workspace_permission', 'EXECUTE'),
        ('function', 'grant_workspace', 'EXECUTE'),
        ('function', 'revoke_workspace', 'EXECUTE'),

        -- Conversation
        ('function', 'customer_may_start', 'EXECUTE'),
        ('function', 'check_batch', 'EXECUTE'),
        ('function', 'transcript_line', 'EXECUTE'),
        ('function', 'mask_personal_data', 'EXECUTE'),
        ('function', 'mask_personal_json', 'EXECUTE'),
        ('function', 'check_event_type', 'EXECUTE'),
        ('function', 'check_events', 'EXECUTE'),
        ('function', 'check_repetition', 'EXECUTE'),
        ('function', 'is_time_zone', 'EXECUTE'),
        ('function', 'lock_session', 'EXECUTE'),
        ('function', 'session_workspace', 'EXECUTE'),
        ('function', 'start_session', 'EXECUTE'),
        ('function', 'append_all_directly', 'EXECUTE'),
        ('function', 'append_by_query', NULL),
        ('function', 'append_directly', 'EXECUTE'),
        ('function', 'append_event', 'EXECUTE'),
        ('function', 'append_events', 'EXECUTE'),
        ('function', 'read_events', 'EXECUTE'),
        ('function', 'end_session', 'EXECUTE'),
        ('function', 'session_transcript', 'EXECUTE'),
        ('function', 'export_session', 'EXECUTE'),
        ('function', 'erase_customer', 'EXECUTE'),

        -- Journeys
        ('function', 'checked_journey_definition', 'EXECUTE'),
        ('function', 'condition_variables', 'EXECUTE'),
        ('function', 'condition_variables_over', 'EXECUTE'),
        ('function', 'states_from', 'EXECUTE'),
        ('function', 'draw_journey', 'EXECUTE'),
        ('function', 'journey_findings', 'EXECUTE'),
        ('function', 'journey_tools', 'EXECUTE'),
        ('function', 'judge_condition', 'EXECUTE'),
        ('function', 'leave_removed_states', 'EXECUTE'),
        ('function', 'store_journey_graph', 'EXECUTE'),
        ('function', 'create_journey', 'EXECUTE'),
        ('function', 'replace_journey', 'EXECUTE'),
        ('function', 'journey_definition', 'EXECUTE'),
        ('function', 'validate_journey', 'EXECUTE'),
        ('function', 'validate_journey_definition', 'EXECUTE'),
        ('function', 'enter_journey', 'EXECUTE'),
        ('function', 'advance_journey', 'EXECUTE'),
        ('function', 'skip_state', 'EXECUTE'),
        ('function', 'revisit_state', 'EXECUTE'),
        ('function', 'exit_journey', 'EXECUTE'),
        ('function', 'next_states', 'EXECUTE'),
        ('function', 'evaluate_condition', 'EXECUTE'),
        ('function', 'journey_diagram', 'EXECUTE'),

        -- Behaviour, tools, knowledge
        ('function', 'missing_variables', 'EXECUTE'),
        ('function', 'json_schema_violations', 'EXECUTE'),
        ('function', 'argument_violations', 'EXECUTE'),
        ('function', 'refuse_unknown', 'EXECUTE'),
        ('function', 'claim_tool_call', 'EXECUTE'),
        ('function', 'free_tool_name', 'EXECUTE'),
        ('function', 'message_text', 'EXECUTE'),
        ('function', 'object_schema', 'EXECUTE'),
        ('function', 'renamed_members', 'EXECUTE'),
        ('function', 'search_configuration', 'EXECUTE'),
        ('function', 'template_parameter_schema', 'EXECUTE'),
        ('function', 'template_parameters', 'EXECUTE'),
        ('function', 'instantiate_workflow_template', 'EXECUTE'),
        ('function', 'tool_call_possible_at', 'EXECUTE'),
        ('function', 'tool_identifier', 'EXECUTE'),
        ('function', 'tool_name', 'EXECUTE'),
        ('function', 'canned_response_score', 'EXECUTE'),
        ('function', 'canned_responses_of', 'EXECUTE'),
        ('function', 'guidelines_of', 'EXECUTE'),
        ('function', 'mentioned_terms', 'EXECUTE'),
        ('function', 'variables_of', 'EXECUTE'),
        ('function', 'host_tools', 'EXECUTE'),
        ('function', 'is_disabled_by', 'EXECUTE'),
        ('function', 'is_below_a_tool_call', 'EXECUTE'),
        ('function', 'is_locked_elsewhere', 'EXECUTE'),
        ('function', 'tool_health', 'EXECUTE'),
        ('function', 'check_template_parameters', 'EXECUTE'),
        ('function', 'session_context', 'EXECUTE'),
        ('function', 'session_context_by_query', 'EXECUTE'),
        ('function', 'session_context_json', 'EXECUTE'),
        ('function', 'session_guidelines', 'EXECUTE'),
        ('function', 'record_guideline_match', 'EXECUTE'),
        ('function', 'render_template', 'EXECUTE'),
        ('function', 'template_variables', 'EXECUTE'),
        ('function', 'render_canned_response', 'EXECUTE'),
        ('function', 'find_canned_responses', 'EXECUTE'),
        ('function', 'find_terms', 'EXECUTE'),
        ('function', 'set_variable', 'EXECUTE'),
        ('function', 'session_variables', 'EXECUTE'),
        ('function', 'agent_tools', 'EXECUTE'),
        ('function', 'validate_tool_arguments', 'EXECUTE'),
        ('function', 'call_tool', 'EXECUTE'),
        ('function', 'finish_tool_call', 'EXECUTE'),
        ('function', 'sync_host_tools', 'EXECUTE'),
        ('function', 'report_tool_health', 'EXECUTE'),
        ('function', 'search_knowledge', 'EXECUTE'),

        -- Workflows
        ('function', 'workflow_to_journey', 'EXECUTE'),
        ('function', 'journey_to_workflow', 'EXECUTE'),
        ('function', 'journey_definition_to_workflow', 'EXECUTE'),
        ('function', 'host_workflow', 'EXECUTE'),
        ('function', 'import_workflow', 'EXECUTE'),
        ('function', 'import_host_workflow', 'EXECUTE'),

        -- Analytics
        ('function', 'agent_analytics', 'EXECUTE'),
        ('function', 'session_metrics', 'EXECUTE'),
        ('function', 'tool_usage', 'EXECUTE'),
        ('function', 'journey_funnel', 'EXECUTE'),

        -- Administration: for the owner of the database, a scheduler of theirs, or whom they grant it to.
        ('function', 'install_tables', NULL),
        ('function', 'app_privileges', NULL),
        ('function', 'grant_app_role', NULL),
        ('function', 'purge_audit_log', NULL),
        ('function', 'link_host', NULL),
        ('function', 'unlink_host', NULL),
        ('function', 'host_status', NULL),
        ('function', 'apply_retention', NULL),
        ('function', 'close_idle_sessions', NULL),
        ('function', 'refresh_totals', NULL),
        ('function', 'refresh_journey_totals', NULL),
        ('function', 'refresh_agent_totals', NULL),
        ('function', 'refresh_behaviour_totals', NULL),
        ('function', 'refresh_tool_totals', NULL),
        ('function', 'install_partitioned_tables', NULL),
        ('function', 'doctor', NULL)
$$;
COMMENT ON FUNCTION parlant.app_privileges() IS
    'What parlant.grant_app_role() grants: every table and function with the privileges on it; NULL is none.';

CREATE FUNCTION parlant.grant_app_role(role name, tokens_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    -- Membership, also without inheritance: a member can SET ROLE.
    reason text := (
        SELECT CASE
            WHEN power.rolsuper THEN 'it is a superuser, or a member of one'
            WHEN power.rolbypassrls THEN 'it has BYPASSRLS, or is a member of a role that has'
            ELSE 'it owns tables of parlant, or is a member of their owner' END
        FROM pg_catalog.pg_roles AS power
        WHERE pg_catalog.pg_has_role(role, power.oid, 'MEMBER')
          AND (power.rolsuper OR power.rolbypassrls
               OR power.oid IN (SELECT relowner FROM pg_catalog.pg_class WHERE relnamespace = 'parlant'::pg_catalog.regnamespace))
        ORDER BY power.rolsuper DESC, power.rolbypassrls DESC LIMIT 1);
    command text;
BEGIN
    IF role IS NULL THEN
        RAISE EXCEPTION 'no role to grant to' USING
            ERRCODE = 'invalid_parameter_value', DETAIL = 'The name is NULL.', HINT = 'Pass the name of a role.';
    END IF;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" is not bound by row-level security', role USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Every workspace would be open to it: ' || reason || '.',
            HINT = 'Let the application connect as an ordinary role: CREATE ROLE … LOGIN NOSUPERUSER NOBYPASSRLS.';
    END IF;

    -- All of it is taken away before, so that a role has what this version grants, and no more.
    FOR command IN
        WITH object (kind, name, sql, privileges) AS (
            SELECT 'function', proname::text, proc.oid::pg_catalog.regprocedure::text, NULL
            FROM pg_catalog.pg_proc AS proc
            JOIN pg_catalog.pg_depend ON classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND objid = proc.oid
                AND deptype = 'e'
            JOIN pg_catalog.pg_extension AS extension ON extension.oid = refobjid AND extname = 'parlant'
            UNION ALL
            SELECT 'table', relname::text, class.oid::pg_catalog.regclass::text, NULL
            FROM pg_catalog.pg_class AS class
            WHERE relnamespace = 'parlant'::pg_catalog.regnamespace AND relkind IN ('r', 'p')
        )
        SELECT pg_catalog.format('REVOKE ALL ON %s %s FROM %I', object.kind, object.sql, role)
        FROM object JOIN parlant.app_privileges() AS app ON app.kind = object.kind AND app.name = object.name
        UNION ALL
        SELECT pg_catalog.format('GRANT %s ON %s %s TO %I', pg_catalog.split_part(app.privileges, ' WITHOUT', 1), object.kind, object.sql, role)
        FROM object JOIN parlant.app_privileges() AS app ON app.kind = object.kind AND app.name = object.name
        WHERE app.privileges IS NOT NULL AND NOT (tokens_only AND app.privileges = 'EXECUTE WITHOUT TOKEN')
        UNION ALL
        SELECT pg_catalog.format('GRANT USAGE ON SCHEMA parlant TO %I', role)
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
COMMENT ON FUNCTION parlant.grant_app_role(name, boolean) IS
    'Grants an ordinary role all that an application needs and no more: parlant.app_privileges() lists it. With '
    'tokens_only the role can enter a workspace by a signed token alone. Refuses roles that row-level security does not bind.';
