-- The conventional tables with all that parlant has.
\ir sessions.sql
INSERT INTO conventional.journey (id, workspace_id, agent_id, title)
SELECT id, workspace_id, agent_id, title FROM parlant.parlant_journey;
INSERT INTO conventional.journey_state (id, workspace_id, journey_id, name, state_type, prompt, is_initial, is_final)
SELECT id, workspace_id, journey_id, name, state_type, chat_prompt, is_initial, is_final FROM parlant.parlant_journey_state;
INSERT INTO conventional.journey_transition (id, workspace_id, journey_id, from_state_id, to_state_id, condition, condition_kind, priority)
SELECT id, workspace_id, journey_id, from_state_id, to_state_id, condition, condition_kind, priority
FROM parlant.parlant_journey_transition;
UPDATE conventional.session AS session
SET variables = theirs.variables, current_journey_id = theirs.current_journey_id, current_state_id = theirs.current_state_id
FROM parlant.parlant_session AS theirs WHERE theirs.id = session.id AND theirs.current_journey_id IS NOT NULL;
INSERT INTO conventional.event (id, workspace_id, session_id, "offset", event_type, content, created_at)
SELECT id, workspace_id, session_id, "offset", event_type, content, created_at FROM parlant.parlant_event;
INSERT INTO conventional.guideline (id, workspace_id, agent_id, condition, action, priority, tool_ids)
SELECT id, workspace_id, agent_id, condition, action, priority, tool_ids FROM parlant.parlant_guideline;
INSERT INTO conventional.tool (id, workspace_id, name, description, parameters)
SELECT id, workspace_id, name, description, parameters FROM parlant.parlant_tool;
INSERT INTO conventional.agent_tool (agent_id, tool_id, workspace_id, priority)
SELECT agent_id, tool_id, workspace_id, priority FROM parlant.parlant_agent_tool;
INSERT INTO conventional.term (id, workspace_id, agent_id, name, description, synonyms, importance)
SELECT id, workspace_id, agent_id, name, description, synonyms, importance FROM parlant.parlant_term;
INSERT INTO conventional.canned_response (id, workspace_id, agent_id, template, category, priority)
SELECT id, workspace_id, agent_id, template, category, priority FROM parlant.parlant_canned_response;
INSERT INTO conventional.variable (workspace_id, agent_id, session_id, key, value)
SELECT workspace_id, agent_id, session_id, key, value FROM parlant.parlant_variable;
