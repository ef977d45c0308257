-- Who may see and write what: all of row-level security, in one place to check it. Every table is closed to all but
-- superusers and roles with BYPASSRLS, its owner included, and each policy opens rows of one workspace: the one that
-- the transaction has entered.
--
-- Each condition begins with plain equality of workspace_id with a function that is stable and has no arguments: an
-- index can be searched by it, and the planner estimates it like a constant. A policy must never look into another
-- table itself: that would be planned, and counted by the planner, in every statement. The functions shows_… do it.

ALTER TABLE parlant.parlant_workspace_member ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_workspace_member FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_admin_or_being_the_user ON parlant.parlant_workspace_member FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id()
        AND (workspace_id = parlant.administered_workspace_id() OR user_id = parlant.current_user_id()));
COMMENT ON POLICY reading_needs_admin_or_being_the_user ON parlant.parlant_workspace_member IS
    'All members of the workspace that the transaction acts in for its admins, their own membership for others.';

CREATE POLICY writing_needs_admin ON parlant.parlant_workspace_member
    USING (workspace_id = parlant.administered_workspace_id())
    WITH CHECK (workspace_id = parlant.administered_workspace_id());
COMMENT ON POLICY writing_needs_admin ON parlant.parlant_workspace_member IS
    'For admins of the workspace, should a role be granted more than SELECT; else they use parlant.grant_workspace().';

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

ALTER TABLE parlant.parlant_guideline ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_guideline FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_guideline FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_guideline FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_guideline FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_guideline FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_canned_response ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_canned_response FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_canned_response FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_canned_response FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_canned_response FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_canned_response FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_canned_response IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

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

ALTER TABLE parlant.parlant_tool ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

ALTER TABLE parlant.parlant_tool_call ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool_call FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool_call FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool_call FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool_call FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool_call FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool_call IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

ALTER TABLE parlant.parlant_tool_integration ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_tool_integration FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_tool_integration FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_tool_integration FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_tool_integration FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_tool_integration FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_tool_integration IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

ALTER TABLE parlant.parlant_agent_tool ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_tool FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_tool FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_tool FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_tool FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_tool FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_tool IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_journey ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

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

ALTER TABLE parlant.parlant_journey_transition ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey_transition FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey_transition FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey_transition FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey_transition FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey_transition FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_journey_guideline ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey_guideline FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey_guideline FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey_guideline FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey_guideline FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey_guideline FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey_guideline IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_session ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_session FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read_or_being_the_customer ON parlant.parlant_session FOR SELECT
    USING (workspace_id = parlant.current_workspace_id()
        AND (parlant.acts_for_user() OR customer_id = parlant.current_customer_id())
        AND parlant.shows_agent(workspace_id, agent_id));
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

ALTER TABLE parlant.parlant_agent_knowledge_base ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_knowledge_base FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_knowledge_base FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_knowledge_base FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_knowledge_base FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_knowledge_base FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_knowledge_base IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_agent_workflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_workflow FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_workflow FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_workflow FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_workflow FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_workflow FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_agent_api_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_agent_api_key FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_agent_api_key FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_agent_api_key FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_agent_api_key FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_agent_api_key FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_agent_api_key IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_session_workflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_session_workflow FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_session_workflow FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_session_workflow FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_session_workflow FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_session_workflow FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_session(workspace_id, session_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_session_workflow IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

ALTER TABLE parlant.parlant_workflow_template ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_workflow_template FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_workflow_template FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_workflow_template FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_workflow_template FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_workflow_template FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_workflow_template IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

ALTER TABLE parlant.parlant_template_parameter ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_template_parameter FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_template_parameter FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id());
COMMENT ON POLICY reading_needs_read ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may read it.';

CREATE POLICY inserting_needs_write ON parlant.parlant_template_parameter FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY updating_needs_write ON parlant.parlant_template_parameter FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id())
    WITH CHECK (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY updating_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

CREATE POLICY deleting_needs_write ON parlant.parlant_template_parameter FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id());
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_template_parameter IS
    'Rows of the workspace that the transaction acts in, for a user who may write it.';

ALTER TABLE parlant.parlant_conversion_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_conversion_history FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_conversion_history FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_conversion_history FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_conversion_history FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_conversion_history FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_agent(workspace_id, agent_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_conversion_history IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

-- The audit log is written by triggers, as its owner; nobody else writes it.

CREATE POLICY reading_needs_admin ON parlant.parlant_audit_log FOR SELECT
    USING (workspace_id = parlant.administered_workspace_id());
COMMENT ON POLICY reading_needs_admin ON parlant.parlant_audit_log IS
    'Entries of the workspace that the transaction acts in, for an admin of it.';
